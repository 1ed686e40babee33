"""dicomweb-client (an independent client of PS3.18) reads back what the service holds, and holds it against the files.

Arguments: address, token, then the files that were pushed."""

import sys

import numpy as np
import pydicom
from dicomweb_client.api import DICOMwebClient

address, token, *paths = sys.argv[1:]
files = {str(one.SOPInstanceUID): one for one in map(pydicom.dcmread, paths)}
first = next(iter(files.values()))
client = DICOMwebClient(url=address, headers={"Authorization": f"Bearer {token}"})


def text(found, tag):
    return str(found[tag]["Value"][0])


family = str(first.PatientName).split("^")[0]
matches = [
    {"PatientID": first.PatientID},
    {"StudyInstanceUID": first.StudyInstanceUID},
    {"PatientName": f"{family.lower()}*"},
    {"StudyDate": f"{first.StudyDate}-{first.StudyDate}", "AccessionNumber": first.AccessionNumber},
    {"ModalitiesInStudy": first.Modality},
]
for keys in matches:
    studies = client.search_for_studies(search_filters=keys)
    assert [text(one, "0020000D") for one in studies] == [first.StudyInstanceUID], keys
    assert text(studies[0], "00201208") == str(len(files)), studies
for keys in [{"PatientID": "nobody"}, {"StudyDate": "19990101-19991231"}, {"ModalitiesInStudy": "CT"}, {"PatientName": "%"}]:
    assert client.search_for_studies(search_filters=keys) == [], keys
assert client.search_for_studies(offset=1) == []

series = client.search_for_series(first.StudyInstanceUID)
assert {text(one, "0020000E") for one in series} == {str(one.SeriesInstanceUID) for one in files.values()}
instances = client.search_for_instances(first.StudyInstanceUID)
assert {text(one, "00080018") for one in instances} == set(files)

for found in client.retrieve_study_metadata(first.StudyInstanceUID):
    told = pydicom.Dataset.from_json(found, bulk_data_uri_handler=lambda uri: None)
    file = files[str(told.SOPInstanceUID)]
    for element in file:
        if element.tag.group != 0x7FE0 and element.VR not in ("OB", "OW", "UN") and element.keyword != "SpecificCharacterSet":
            assert told[element.tag] == element, (element.keyword, told.get(element.tag), element)

for uid, file in files.items():
    place = (file.StudyInstanceUID, file.SeriesInstanceUID, uid)
    whole = client.retrieve_instance(*place)
    assert whole.PixelData == file.PixelData and whole.PatientName == file.PatientName
    frame = client.retrieve_instance_frames(*place, frame_numbers=[1])[0]
    assert np.array_equal(np.frombuffer(frame, "<u2").reshape(file.Rows, file.Columns), file.pixel_array)
    rendered = client.retrieve_instance_rendered(*place, media_types=("image/png",))
    assert rendered.startswith(b"\x89PNG")
print(f"{len(files)} instances read back")
