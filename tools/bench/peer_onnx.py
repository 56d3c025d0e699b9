"""Programs that run a network from the ONNX file that `mdeval export` writes. Each function takes the file and a number
of threads, and returns the inference as a function without arguments, and the precision it computes in.
"""


def random_inputs(inputs):
    """Of (name, shape) pairs."""
    import numpy as np
    draws = np.random.default_rng(0)
    return {name: draws.standard_normal(tuple(shape), dtype=np.float32) for name, shape in inputs}


def onnx_runtime(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs = random_inputs((i.name, i.shape) for i in session.get_inputs())
    return lambda: session.run(None, inputs), "f32"


def openvino_default(model, threads, **config):
    import openvino
    run = openvino.Core().compile_model(model, "CPU", {
        "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY", **config})
    inputs = random_inputs((i.any_name, i.shape) for i in run.inputs)
    precision = run.get_property("INFERENCE_PRECISION_HINT").to_string()
    return lambda: run(inputs, share_inputs=True, share_outputs=True), {"bf16": "bf16"}.get(precision, "f32")


def openvino_f32(model, threads):
    return openvino_default(model, threads, INFERENCE_PRECISION_HINT="f32")
