"""The forecasting system: what it is told, what models are trained on, and how predictions come back."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import Crontab, Name, Period, UrlPath

Frequency = Literal["hourly", "daily", "weekly", "monthly"]


class Pipeline(Block):
    """Site fields that are sent on a schedule."""

    source_fields: list[Name] = Field(min_length=1)
    """Names of the site's fields."""
    target_endpoint: UrlPath
    """Path behind the target's `api_endpoint`."""
    update_frequency: Frequency
    """How often they are sent."""


class ForecastingDataPipeline(Block):
    """The three pipelines."""

    site_characteristics: Pipeline
    """What a site is."""
    historical_performance: Pipeline
    """What a site has made."""
    operational_metrics: Pipeline
    """How a site is run."""


class DataSource(Block):
    """Where training data come from."""

    source: Name
    """Name of the source."""
    tables: list[Name] = Field(min_length=1)
    """Tables that are read."""
    refresh_frequency: Frequency
    """How often they are read anew."""


class FeatureEngineering(Block):
    """How columns become features."""

    categorical_encoding: Literal["one_hot"]
    """What becomes of texts."""
    numerical_scaling: Literal["standard_scaler"]
    """What becomes of numbers."""
    time_series_features: list[Literal["lag_features", "rolling_averages"]]
    """What is made of each series."""


class TrainingDataPipeline(Block):
    """How training data are made."""

    data_sources: list[DataSource] = Field(min_length=1)
    """Sources that are joined."""
    feature_engineering: FeatureEngineering
    """What is made of their columns."""
    model_training_schedule: Frequency
    """How often models are trained."""


class MlModelConfig(Block):
    """Machine learning."""

    training_data_pipeline: TrainingDataPipeline
    """How training data are made."""


class BatchPredictions(Block):
    """Predictions for all sites."""

    schedule: Crontab
    """Crontab, in UTC."""
    prediction_horizon: Period
    """Number and unit of time that is predicted, like `12_months`."""
    output_format: Literal["json"]
    """Format of the answer."""
    delivery_method: Literal["api_callback"]
    """How the answer comes."""


class RealTimePredictions(Block):
    """Predictions when they are asked for."""

    enabled: bool
    """Whether they may be asked for."""
    cache_duration: int = Field(ge=0)
    """Seconds that a prediction is kept."""
    fallback_strategy: Literal["use_cached_prediction", "none"]
    """What is answered if the target does not answer."""


class PredictionPipeline(Block):
    """How predictions come back."""

    batch_predictions: BatchPredictions
    """Predictions for all sites."""
    real_time_predictions: RealTimePredictions
    """Predictions for one site."""
