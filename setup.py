"""What pyproject.toml cannot say: a wheel has files from beside the package, for its commands."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

# Beside the package in a checkout, in pipeline/shipped of a wheel (src/pipeline/config/shipped.py).
SHIPPED = (
    "config.yaml",
    "profiles/default/config.yaml",
    "workflow/presets/*.yaml",
    "workflow/profiles/*/*",
    "workflow/schemas/*.yaml",
)


class BuildWithFiles(build_py):
    """Copies them where the package is built; an editable installation finds them as they lie."""

    def run(self) -> None:
        super().run()
        root = Path(__file__).parent
        for path in [] if self.editable_mode else [p for glob in SHIPPED for p in root.glob(glob)]:
            copy = Path(self.build_lib, "pipeline", "shipped", path.relative_to(root))
            self.mkpath(str(copy.parent))
            self.copy_file(str(path), str(copy))


setup(cmdclass={"build_py": BuildWithFiles})
