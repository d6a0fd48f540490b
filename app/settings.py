"""The one typed configuration: environment variables with the prefix EVENTPULSE_, or a `.env` file.

Nothing is read at import; whoever needs the settings calls `Settings()` at an entry point and passes it down.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Every field is an environment variable: `database_url` is EVENTPULSE_DATABASE_URL."""

    model_config = SettingsConfigDict(env_prefix="EVENTPULSE_", env_file=".env", extra="ignore", frozen=True)

    state_dir: Path = Field(default=Path("var"), description="Folder for the database file, the lake and logs.")
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL, for example postgresql+psycopg://user@host/db. "
        "Default: an SQLite file in the state folder.",
    )
    mlflow_url: str | None = Field(
        default=None,
        description="URL of the MLflow server or database that keeps the training runs and the registered models. "
        "Default: an SQLite file in the state folder.",
    )
    model_dir: Path = Field(default=Path("models/default"), description="Folder of the model artifact to serve.")
    model_threads: int = Field(default=2, ge=1, description="CPU threads of one classifier replica.")

    classify_deadline_s: float = Field(
        default=30.0, gt=0, description="Longest time that a request may wait for the classifier, in seconds."
    )
    cached_texts: int = Field(default=50_000, ge=1, description="Predictions that the router remembers.")
    waiting_texts: int = Field(
        default=8192, ge=1, description="Most texts that wait for one backend; more are refused for the moment."
    )

    api_token: SecretStr | None = Field(
        default=None,
        description="Bearer token that the HTTP API asks for. Set it before anything listens beyond 127.0.0.1.",
    )
    max_text_chars: int = Field(default=10_000, ge=1, description="Longest text that the API classifies.")
    max_batch: int = Field(default=1024, ge=1, description="Most texts in one classify request.")
    max_body_bytes: int = Field(default=4_000_000, ge=1, description="Largest request body.")

    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where people reach the dashboard; links in alerts begin with it."
    )
    alert_private_networks: bool = Field(
        default=False, description="Let webhooks go to private networks and to this machine, on any port."
    )
    alert_ports: str = Field(
        default="80,443,8080,8443", description="Ports of public addresses that webhooks may go to."
    )
    smtp_host: str | None = Field(default=None, description="Mail server for alerts by e-mail.")
    smtp_port: int = Field(default=587, ge=1, le=65_535, description="Port of the mail server.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the mail server is spoken to: starttls, tls (from the start) or none."
    )
    smtp_user: str | None = Field(default=None, description="User name at the mail server.")
    smtp_password: SecretStr | None = Field(default=None, description="Password at the mail server.")
    smtp_from: str = Field(default="eventpulse@localhost", description="Sender of alerts by e-mail.")

    x_bearer_token: SecretStr | None = Field(default=None, description="X API v2 app bearer token.")
    x_api_url: str = Field(default="https://api.x.com", description="Base URL of the X API.")
    x_poll_s: float = Field(default=60.0, gt=0, description="Seconds between two recent searches for an event.")
    x_default_read_budget: int = Field(
        default=5_000, ge=0, description="Posts read from X for an event that sets no budget of its own."
    )
    newsapi_key: SecretStr | None = Field(default=None, description="NewsAPI key.")
    newsapi_url: str = Field(default="https://newsapi.org", description="Base URL of NewsAPI.")
    newsapi_poll_s: float = Field(default=900.0, gt=0, description="Seconds between two NewsAPI requests for an event.")

    replay_path: Path | None = Field(default=None, description="Recording (Parquet, JSONL or CSV) to replay.")
    replay_event: str = Field(default="Replay", description="Name of the event that the recording belongs to.")
    replay_query: str = Field(default="*", description="Query of that event; * takes every record of the recording.")
    replay_speed: float = Field(default=1.0, ge=0, description="Times real speed; 0 is as fast as possible.")
    replay_times: Literal["kept", "shifted"] = Field(
        default="kept", description="Keep the recorded times, or shift them so that the recording ends now."
    )

    @property
    def database(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.state_dir / 'eventpulse.db'}"

    @property
    def mlflow(self) -> str:
        """The URL of the MLflow in force."""
        return self.mlflow_url or f"sqlite:///{self.state_dir / 'mlflow.db'}"

    @property
    def mlflow_artifacts(self) -> Path:
        """Where the files of runs and models lie, unless an MLflow server keeps them."""
        return self.state_dir / "mlflow"
