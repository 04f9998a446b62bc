"""The hooks under the real pre-commit, in a git repository of their own, without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(sys.executable).parent
PRE_COMMIT = shutil.which("pre-commit", path=str(HERE)) or shutil.which("pre-commit")

pytestmark = [
    pytest.mark.skipif(PRE_COMMIT is None, reason="pre-commit is not installed (pip install pre-commit)"),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]

Commit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def commit(tmp_path: Path) -> Commit:
    """Commits files of the fixtures in a repository that has a hook installed."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "LINTMODEL_"))},
        "PRE_COMMIT_HOME": str(tmp_path / "cache"),
        "PATH": f"{HERE}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        **{f"GIT_{who}_{what}": "test@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }

    def call(folder: Path, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    hooks = tmp_path / "hooks"  # what a user's configuration names: a repository with the hooks file
    hooks.mkdir()
    shutil.copy(ROOT / ".pre-commit-hooks.yaml", hooks)
    call(hooks, "git", "init", "-q", "-b", "main")
    call(hooks, "git", "add", "-A")
    call(hooks, "git", "commit", "-q", "-m", "hooks")
    revision = call(hooks, "git", "rev-parse", "HEAD").stdout.strip()

    repository = tmp_path / "repository"
    repository.mkdir()
    call(repository, "git", "init", "-q", "-b", "main")

    def run(hook: str, *models: str, target: str = "k210") -> subprocess.CompletedProcess[str]:
        # language: system takes the lintmodel of this environment; pre-commit would install it from PyPI.
        (repository / ".pre-commit-config.yaml").write_text(
            f"repos:\n- repo: {hooks}\n  rev: {revision}\n  hooks:\n  - {{id: {hook}, language: system}}\n"
        )
        (repository / "lintmodel.toml").write_text(f'targets = ["{target}"]\n[[models]]\npath = "*.onnx"\n')
        for model in models:
            shutil.copy(ROOT / "fixtures" / model, repository)
        call(repository, str(PRE_COMMIT), "install")
        call(repository, "git", "add", "-A")
        return call(repository, "git", "commit", "-m", "models", check=False)

    return run


def test_a_manifest_that_pre_commit_takes() -> None:
    done = subprocess.run(
        [str(PRE_COMMIT), "validate-manifest", str(ROOT / ".pre-commit-hooks.yaml")], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_model_that_is_accepted_is_committed(commit: Commit) -> None:
    done = commit("lintmodel", "digits/digits.onnx")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "lintmodel" in done.stdout + done.stderr


def test_a_model_that_is_rejected_stops_the_commit(commit: Commit) -> None:
    done = commit("lintmodel", "models/dynamic_batch.onnx")
    assert done.returncode == 1
    assert "dynamic_batch.onnx" in done.stdout + done.stderr
    assert "KPU221" in done.stdout + done.stderr


def test_configured_models_are_checked_whatever_is_committed(commit: Commit) -> None:
    assert commit("lintmodel-config", "models/dynamic_batch.onnx").returncode == 1


def test_files_that_are_no_models_are_not_looked_at(commit: Commit) -> None:
    done = commit("lintmodel", "build.py")
    assert done.returncode == 0
    assert "no files to check" in done.stdout + done.stderr


def test_a_model_that_is_fixed_stops_the_commit_once(commit: Commit) -> None:
    done = commit("lintmodel-fix", "models/dynamic_batch.onnx")
    assert done.returncode == 1
    assert (
        "freeze-batch" in done.stdout + done.stderr and "files were modified by this hook" in done.stdout + done.stderr
    )
    assert commit("lintmodel-fix").returncode == 0
