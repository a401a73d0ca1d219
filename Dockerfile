# ISALux-MM on a CPU, from the pinned requirements.
#   docker build -t isalux-mm .
#   docker run --rm -v "$PWD:/work" isalux-mm enhance dark.jpg
# `--build-arg PIP_EXTRA_INDEX_URL=...` with the address of PyTorch's CPU wheels keeps 5 GB of CUDA's libraries out.
# Checked with hadolint 2.15.1; no base image was at hand where this was written, so that it was never built.
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL=""
WORKDIR /opt/isalux-mm
COPY requirements.txt requirements-dev.txt ./
# of OpenCV's two builds, which share their files, the one without a desktop stays: it needs no system library
RUN pip install --no-cache-dir setuptools==84.2.1 wheel==0.48.0 \
    && grep -E '^(av|gradio|onnx|onnxruntime|onnxscript)==' requirements-dev.txt > requirements-commands.txt \
    && pip install --no-cache-dir -r requirements.txt -r requirements-commands.txt \
    && pip uninstall --yes opencv-python opencv-python-headless \
    && grep '^opencv-python-headless==' requirements.txt > requirements-opencv.txt \
    && pip install --no-cache-dir --no-deps -r requirements-opencv.txt

COPY setup.py pyproject.toml MANIFEST.in README.md LICENSE ./
COPY configs configs
COPY isalux_mm isalux_mm
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 1000 isalux \
    && install --directory --owner=isalux /work

USER 1000
WORKDIR /work
ENTRYPOINT ["isalux"]
CMD ["--help"]
