"""What all tests share: one thread each where several workers run, so that they do not fight for the cores."""

import logging
import os
import shutil
import sys
import warnings
from collections.abc import Iterator
from typing import Any

# Before anything imports Polars or torch: both count the cores once.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"):
        os.environ.setdefault(name, "1")
os.environ.setdefault("MPLBACKEND", "agg")

import pytest


@pytest.fixture(autouse=True)
def no_figure_stays_open():
    """Close what a test drew, if it drew anything."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture(scope="session")
def spark() -> Iterator[Any]:
    """One local Spark without a window: no web page, no chatter, UTC."""
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java (17 or newer), which is not installed here")
    sql = pytest.importorskip("pyspark.sql", reason="Spark comes with: pip install recolab[spark]")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PySpark remarks on pandas 3, which is no concern of these tests
        settings = {
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "false",
            "spark.sql.shuffle.partitions": "1",
            "spark.sql.session.timeZone": "UTC",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.log.level": "ERROR",
        }
        builder = sql.SparkSession.builder.master("local[1]").appName("recolab tests")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        logging.getLogger("py4j").setLevel(logging.ERROR)
        yield session
        session.stop()
