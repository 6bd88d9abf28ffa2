"""ONNX Runtime as Guard uses it: it sends nothing, and writes nothing but what Guard says.

From 1.31 on it reports its use to Microsoft unless told otherwise: it looks names up and writes files into the user's
cache. So whatever imports it, itself or through another package, calls `import_onnxruntime` first.
"""

import os
from types import ModuleType

_TELEMETRY_OFF = "ORT_DISABLE_TELEMETRY"
LOG_FATAL = 4  # what fails is raised as well, and Guard says it in a line of its own


def import_onnxruntime() -> ModuleType:
    """Return the module `onnxruntime` with its telemetry off and its log quiet. Raises ImportError.

    The variable has to be in the environment when the library loads; one that the operator has set stays.
    """
    os.environ.setdefault(_TELEMETRY_OFF, "1")
    import onnxruntime  # one of two extras brings it

    onnxruntime.set_default_logger_severity(LOG_FATAL)
    module: ModuleType = onnxruntime
    return module
