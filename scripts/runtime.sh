#!/bin/sh
# Fetches the ONNX Runtime library that `infer` loads, out of PyPI's wheel, into
# .runtime/libonnxruntime.so (which git ignores). Does nothing where it is there already.
#
# The crate's own download needs a host that may not be reachable; PyPI's ordinary client
# is what every machine here has. The wheel is held against the SHA-256 below before it
# is opened.
#
#   scripts/runtime.sh            fetch for this machine
#   RUNTIME_DIR=dir scripts/runtime.sh   fetch into another folder
set -eu

version=1.31.1
here=$(cd "$(dirname "$0")/.." && pwd)
folder=${RUNTIME_DIR:-$here/.runtime}
library=$folder/libonnxruntime.so
stamp=$folder/libonnxruntime.wheel.sha256

case "$(uname -s)-$(uname -m)" in
Linux-x86_64)
    platform=manylinux_2_28_x86_64
    expected=5752bd508126ae7c49894d3b9d2e83f0c3d487319246d04c444b393308d7ad7f
    ;;
Linux-aarch64)
    platform=manylinux_2_28_aarch64
    expected=da05378364c44d4407e463982d2bf8d5e4cfea873283757e48beeb41df97b7f3
    ;;
*)
    echo "runtime: no ONNX Runtime wheel is pinned for $(uname -s) $(uname -m);" >&2
    echo "runtime: point ORT_DYLIB_PATH at a libonnxruntime of version $version" >&2
    exit 1
    ;;
esac

if [ -s "$library" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$expected" ]; then
    echo "runtime: ONNX Runtime $version is in place ($library)"
    exit 0
fi

mkdir -p "$folder"
# Beside its destination, so that the last step is a rename on one file system.
work=$(mktemp -d "$folder/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

echo "runtime: fetching ONNX Runtime $version from PyPI"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
    --platform "$platform" --python-version 3.11 --dest "$work" "onnxruntime==$version"

wheel=$(ls "$work"/*.whl)
actual=$(sha256sum "$wheel" | cut -d ' ' -f 1)
if [ "$actual" != "$expected" ]; then
    echo "runtime: the wheel's SHA-256 is $actual, expected $expected; nothing was installed" >&2
    exit 1
fi

# Python's zipfile, since unzip is not part of a fresh machine.
python3 - "$wheel" "$version" "$work/libonnxruntime.so" <<'PYTHON'
import shutil, sys, zipfile
wheel, version, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    with archive.open(f"onnxruntime/capi/libonnxruntime.so.{version}") as source, open(target, "wb") as out:
        shutil.copyfileobj(source, out)
PYTHON
chmod 644 "$work/libonnxruntime.so"
mv -f "$work/libonnxruntime.so" "$library"
printf '%s\n' "$expected" >"$stamp"
echo "runtime: ONNX Runtime $version is in place ($library)"
