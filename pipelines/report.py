from pathlib import Path
from pipelines.workspace import Workspace
def write_report(workspace: Workspace) -> Path:
    raise NotImplementedError
