"""The forecasting system: what it is told, what models are trained on, and how predictions come back."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block

Frequency = Literal["hourly", "daily", "weekly", "monthly"]


class Pipeline(Block):
    """Fields that are sent on a schedule."""

    source_fields: list[str] = Field(min_length=1)
    """Of the site."""
    target_endpoint: str
    """Path behind the target's endpoint."""
    update_frequency: Frequency
    """How often."""


class ForecastingDataPipeline(Block):
    """The three pipelines."""

    site_characteristics: Pipeline
    """What a site is."""
    historical_performance: Pipeline
    """What it made."""
    operational_metrics: Pipeline
    """How it is run."""


class DataSource(Block):
    """Where training data come from."""

    source: str
    """Its name."""
    tables: list[str]
    """That are read."""
    refresh_frequency: Frequency
    """How often they are read anew."""


class FeatureEngineering(Block):
    """How columns become features."""

    categorical_encoding: Literal["one_hot"]
    """Of texts."""
    numerical_scaling: Literal["standard_scaler"]
    """Of numbers."""
    time_series_features: list[Literal["lag_features", "rolling_averages"]]
    """Made of each series."""


class TrainingDataPipeline(Block):
    """How training data are made."""

    data_sources: list[DataSource]
    """That are joined."""
    feature_engineering: FeatureEngineering
    """What is made of them."""
    model_training_schedule: Frequency
    """How often models are trained."""


class MlModelConfig(Block):
    """Machine learning."""

    training_data_pipeline: TrainingDataPipeline
    """How training data are made."""


class BatchPredictions(Block):
    """Predictions for all sites."""

    schedule: str
    """Crontab."""
    prediction_horizon: str = Field(pattern=r"^\d+_(days|weeks|months|years)$")
    """Number and unit of time."""
    output_format: Literal["json"]
    """Of the answer."""
    delivery_method: Literal["api_callback"]
    """How it comes."""


class RealTimePredictions(Block):
    """Predictions when they are asked for."""

    enabled: bool
    """Whether they may be asked for."""
    cache_duration: int = Field(ge=0)
    """Seconds that one is kept."""
    fallback_strategy: Literal["use_cached_prediction", "none"]
    """If the target does not answer."""


class PredictionPipeline(Block):
    """How predictions come back."""

    batch_predictions: BatchPredictions
    """For all sites."""
    real_time_predictions: RealTimePredictions
    """For one."""
