from tests.text.conftest import run

__all__ = ["run"]
