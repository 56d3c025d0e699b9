"""Programs that run ONNX files, a function each from a file and its inputs to the depth, and the packages that hold them.

As a program, in a Python that has the packages: onnx_engines.py ENGINE MODEL.onnx INPUTS.npz OUT.npy
"""
import subprocess
import sys
import tempfile


def onnxruntime(model, inputs):
    import onnxruntime as ort
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]


def openvino_default(model, inputs, **config):
    import openvino
    run = openvino.Core().compile_model(model, "CPU", config)
    return next(iter(run(inputs).values()))


def openvino_f32(model, inputs):
    return openvino_default(model, inputs, INFERENCE_PRECISION_HINT="f32")


def opencv_default(model, inputs, *engine):
    import cv2
    net = cv2.dnn.readNetFromONNX(model, *engine)
    for name, value in inputs.items():
        net.setInput(value, name)
    return net.forward()


def opencv_classic(model, inputs):
    import cv2
    return opencv_default(model, inputs, cv2.dnn.ENGINE_CLASSIC)


def opencv_new(model, inputs):
    import cv2
    return opencv_default(model, inputs, cv2.dnn.ENGINE_NEW)


def reference(model, inputs):
    from onnx.reference import ReferenceEvaluator
    return ReferenceEvaluator(model).run(None, inputs)[0]


def tract(model, inputs):
    import tract as engine
    run = engine.onnx().load(model).into_model().into_runnable()
    return run.run(list(inputs.values()))[0].to_numpy()


def tvm(model, inputs):
    import onnx
    import tvm as engine
    from tvm import relax
    from tvm.relax.frontend.onnx import from_onnx
    module = relax.get_pipeline("zero")(relax.transform.DecomposeOpsForInference()(from_onnx(onnx.load(model))))
    machine = relax.VirtualMachine(engine.compile(module, target="llvm"), engine.cpu())
    depth_m = machine["main"](*(engine.runtime.tensor(value) for value in inputs.values()))
    return (depth_m if hasattr(depth_m, "numpy") else depth_m[0]).numpy()


def iree(model, inputs):
    import iree.compiler
    import iree.runtime
    with tempfile.TemporaryDirectory() as folder:
        mlir = f"{folder}/model.mlir"
        subprocess.run([sys.executable, "-m", "iree.compiler.tools.import_onnx", model, "-o", mlir], check=True)
        code = iree.compiler.compile_file(mlir, target_backends=["llvm-cpu"], input_type="onnx",
                                          extra_args=["--iree-llvmcpu-target-cpu=generic"])
    context = iree.runtime.SystemContext(config=iree.runtime.Config("local-task"))
    context.add_vm_module(iree.runtime.VmModule.copy_buffer(context.instance, code))
    entry = context.modules["module"]
    name, = (name for name in entry.vm_module.function_names if not name.startswith("__") and "$" not in name)
    return entry[name](*inputs.values()).to_host()


if __name__ == "__main__":
    import numpy as np
    name, model, inputs, out = sys.argv[1:]
    np.save(out, globals()[name](model, dict(np.load(inputs))))
