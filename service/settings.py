"""What an operator can set: the only place where the environment (``RMATCH_*``) is read."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings of every process. The defaults are the embedded mode: everything in one data directory, no server."""

    model_config = SettingsConfigDict(env_prefix="RMATCH_", frozen=True, extra="forbid")

    data_dir: Path = Field(default=Path(".rmatch"), description="Where the embedded database and queue live.")
    database_url: str = Field(default="", description="SQLAlchemy URL; SQLite in data_dir when empty.")
    broker_url: str = Field(
        default="", description="Celery broker, filesystem:// or redis://; a folder in data_dir when empty."
    )
    models_dir: Path | None = Field(
        default=None, description="Models beside the shipped ones: NAME.json and NAME.safetensors."
    )
    prepare_database: bool = Field(default=True, description="Migrate and seed the database when the API starts.")

    host: str = Field(default="127.0.0.1", description="Address that the API listens on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port that the API listens on.")
    keys: Literal["auto", "on", "off"] = Field(
        default="auto", description="API keys; auto: off in embedded mode on loopback, on otherwise."
    )
    key_secret: str = Field(
        default="", repr=False, description="Secret under which keys are stored, 32 characters or more."
    )
    cors_origins: str = Field(
        default="", description="Origins of web pages that may use the API, separated by commas; none by default."
    )
    max_body_bytes: int = Field(default=1_000_000, ge=1_000, description="Largest request body.")
    body_seconds: float = Field(default=30.0, gt=0, description="How long a request body may take to arrive.")
    drain_seconds: float = Field(
        default=5.0, ge=0, description="An API that is to stop is not ready any more, but answers, for so long."
    )
    database_seconds: float = Field(
        default=5.0, gt=0, description="Nothing that a request asks of the database may take longer."
    )
    default_page_size: int = Field(default=50, ge=1, description="Length of a page where none is asked for.")
    max_page_size: int = Field(default=1000, ge=1, description="Longest page.")
    event_stream_seconds: float = Field(
        default=900.0, gt=0, description="Longest answer of events; then the client is to come back, with its key."
    )
    max_event_streams: int = Field(
        default=200, ge=1, description="Most streams of events that one API process keeps open."
    )
    max_export_structures: int = Field(default=100_000, ge=1, description="Most structures of an export.")
    max_export_files: int = Field(default=20_000, ge=1, description="Most files of an export as zip.")
    max_exports: int = Field(
        default=4, ge=1, le=16, description="Most exports that one API process writes at a time, each with a thread."
    )
    export_seconds: float = Field(default=600.0, gt=0, description="An export that takes longer is broken off.")

    chunk_max_samples: int = Field(default=64, ge=1, description="Most samples of a chunk.")
    chunk_max_atoms: int = Field(default=1280, ge=1, description="Most atoms of a chunk; a larger sample goes alone.")
    max_lost_attempts: int = Field(default=3, ge=1, description="A chunk that came to nothing so often fails its job.")
    lease_seconds: float = Field(
        default=30.0, gt=0, description="A worker that is silent for so long has lost its chunk."
    )
    sweep_seconds: float = Field(default=5.0, gt=0, description="How often the sweeper looks for forgotten chunks.")
    reannounce_seconds: float = Field(
        default=15.0, gt=0, description="A chunk nobody took is announced again after this; the wait doubles each time."
    )

    max_job_atom_steps: int = Field(
        default=10_000_000_000, ge=1, description="Most work of a job: atoms times relaxation steps, over all samples."
    )
    max_queued_atom_steps_per_key: int = Field(
        default=20_000_000_000,
        ge=1,
        description="Most work of a key that waits or runs, unless the key says otherwise.",
    )
    max_queued_jobs_per_key: int = Field(default=20_000, ge=1, description="Most jobs of a key that wait or run.")
    max_queued_atom_steps: int = Field(
        default=100_000_000_000, ge=1, description="Most work of all keys that waits or runs."
    )
    max_queued_jobs: int = Field(default=50_000, ge=1, description="Most jobs of all keys that wait or run.")
    idempotency_hours: float = Field(default=48.0, ge=24, description="How long idempotency keys are remembered.")

    sandbox_seconds: float = Field(
        default=10.0, gt=0, description="CPU time to read an uploaded file; half as much again on the wall."
    )
    sandbox_memory_bytes: int = Field(
        default=2 * 1024**3, ge=256 * 1024**2, description="Memory to read an uploaded file."
    )

    worker_heartbeat_seconds: float = Field(default=5.0, gt=0, description="How often a worker says how it is.")
    soft_shutdown_seconds: float = Field(
        default=10.0, ge=0, description="A worker that is to stop works on for so long, then gives its chunk back."
    )
    chunk_seconds: float = Field(default=900.0, gt=0, description="A chunk that takes longer is broken off.")
    chunk_kill_seconds: float = Field(
        default=10.0, gt=0, description="A worker process that should have stopped is killed after this."
    )
    worker_memory_bytes: int | None = Field(
        default=None, ge=1024**3, description="Memory of a worker process on a CPU; no limit where not set."
    )
    worker_nice: int = Field(default=5, ge=0, le=19, description="How far workers stand back for the API: nice(1).")
    worker_threads: int = Field(default=1, ge=1, description="CPU threads of a worker's relaxation.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="What workers relax on; auto takes a GPU where there is one."
    )
    memory_budget_bytes: int | None = Field(
        default=None,
        ge=1024**2,
        description="Memory for structures that relax together; most of a GPU's free memory where not set.",
    )
    materials_project_url: str = Field(
        default="https://api.materialsproject.org", description="Where the Materials Project answers."
    )
    materials_project_key: str = Field(
        default="", repr=False, description="Your key for the Materials Project, to import its structures."
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="Logs for people, or a JSON object a line."
    )

    @cached_property
    def resolved_database_url(self) -> str:
        """``database_url``, or SQLite in the data directory."""
        return self.database_url or f"sqlite:///{self.data_dir.absolute() / 'rmatch.sqlite3'}"

    @cached_property
    def is_embedded(self) -> bool:
        """Whether the database is a file on this machine."""
        return self.resolved_database_url.startswith("sqlite")

    @cached_property
    def allowed_origins(self) -> tuple[str, ...]:
        """``cors_origins``, one by one."""
        return tuple(filter(None, map(str.strip, self.cors_origins.split(","))))

    @cached_property
    def resolved_broker_url(self) -> str:
        """``broker_url``, or a queue of files in the data directory."""
        return self.broker_url or "filesystem://localhost"

    @cached_property
    def queue_dir(self) -> Path:
        """Where the queue of files lives."""
        return self.data_dir.absolute() / "queue"

    @cached_property
    def model_directories(self) -> tuple[Path, ...]:
        """Directories searched for models before the shipped ones."""
        return () if self.models_dir is None else (self.models_dir,)
