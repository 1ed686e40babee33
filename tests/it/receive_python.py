"""Echo and store by pynetdicom: PORT FILE...; prints one status a line, in hexadecimal."""

import sys

from pydicom import dcmread
from pynetdicom import AE

ae = AE(ae_title="PYNETDICOM")
files = [dcmread(path, force=True) for path in sys.argv[2:]]
ae.add_requested_context("1.2.840.10008.1.1")
for ds in files:
    ae.add_requested_context(ds.SOPClassUID, ds.file_meta.TransferSyntaxUID)
association = ae.associate("127.0.0.1", int(sys.argv[1]), ae_title="DOUBLEREAD")
assert association.is_established
print(f"{association.send_c_echo().Status:04X}")
for ds in files:
    print(f"{association.send_c_store(ds).Status:04X}")
association.release()
