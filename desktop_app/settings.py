"""The settings: typed declarations as data, from which the dialog is generated."""

from __future__ import annotations

from pathlib import Path

from desktop_app import paths
from desktop_app.settings_store import SCHEMA, Setting, Store
from models.spec import Capability

__all__ = ["MODEL_SETTINGS", "SCHEMA", "Setting", "Settings"]

# Which setting remembers the chosen model; features and classification are two uses of one network.
MODEL_SETTINGS = {
    Capability.ZERO_SHOT: "current_model",
    Capability.MASKING: "masking_model",
    Capability.FEATURES: "features_model",
    Capability.CLASSIFY: "features_model",
}


def QT_TRANSLATE_NOOP(context: str, text: str) -> str:  # the name by which lupdate finds it
    """Mark a text for translation; the dialog translates it with QCoreApplication.translate(context, text)."""
    return text


class Settings(Store):
    """What a person may set, and what the program remembers for them."""

    theme = Setting(
        "choice",
        "system",
        QT_TRANSLATE_NOOP("Settings", "Appearance"),
        QT_TRANSLATE_NOOP("Settings", "Light or dark, or as the system has it."),
        choices=("system", "light", "dark"),
        group="look",
    )
    language = Setting(
        "text",
        "",
        QT_TRANSLATE_NOOP("Settings", "Language"),
        QT_TRANSLATE_NOOP("Settings", "A code such as en or zh_CN; empty: as the system has it."),
        group="look",
        shown=False,  # until there is a translation to choose
    )
    thumbnail_size = Setting(
        "int",
        160,
        QT_TRANSLATE_NOOP("Settings", "Thumbnail size"),
        QT_TRANSLATE_NOOP("Settings", "The side of a photo in the grid, in pixels."),
        low=64,
        high=512,
        group="look",
    )
    recursive = Setting(
        "bool",
        True,
        QT_TRANSLATE_NOOP("Settings", "Open sub-folders too"),
        QT_TRANSLATE_NOOP("Settings", "A folder is opened with everything below it."),
        group="photos",
    )
    device = Setting(
        "choice",
        "auto",
        QT_TRANSLATE_NOOP("Settings", "Device"),
        QT_TRANSLATE_NOOP("Settings", "Where the models run. The status bar says what really runs."),
        choices=("auto", "cpu", "cuda", "mps"),
        group="model",
    )
    precision = Setting(
        "choice",
        "auto",
        QT_TRANSLATE_NOOP("Settings", "Precision"),
        QT_TRANSLATE_NOOP("Settings", "Automatic takes the fastest that gives the same answers."),
        choices=("auto", "float32", "bfloat16", "float16", "int8"),
        group="model",
    )
    engine = Setting(
        "choice",
        "auto",
        QT_TRANSLATE_NOOP("Settings", "Engine"),
        QT_TRANSLATE_NOOP("Settings", "The library that runs the models; automatic measures both."),
        choices=("auto", "torch", "onnxruntime"),
        group="model",
    )
    measure_models = Setting(
        "bool",
        True,
        QT_TRANSLATE_NOOP("Settings", "Measure what is fastest here"),
        QT_TRANSLATE_NOOP(
            "Settings", "Once for each model, in the background; what was not measured runs in plain PyTorch."
        ),
        group="model",
    )
    model_folders = Setting[tuple[str, ...]](
        "texts",
        (),
        QT_TRANSLATE_NOOP("Settings", "Folders with models"),
        QT_TRANSLATE_NOOP("Settings", "Looked through beside the bundled models and your own."),
        group="model",
    )
    min_probability = Setting(
        "float",
        0.3,
        QT_TRANSLATE_NOOP("Settings", "Least probability of a label"),
        QT_TRANSLATE_NOOP("Settings", "Below it a photo is marked unsure."),
        low=0.0,
        high=1.0,
        group="answers",
    )
    min_margin = Setting(
        "float",
        0.1,
        QT_TRANSLATE_NOOP("Settings", "Least margin to the second label"),
        QT_TRANSLATE_NOOP("Settings", "Below it a photo is marked unsure."),
        low=0.0,
        high=1.0,
        group="answers",
    )
    min_known = Setting(
        "float",
        0.7,
        QT_TRANSLATE_NOOP("Settings", "Least fit against neutral sentences"),
        QT_TRANSLATE_NOOP("Settings", "Below it a photo is marked unknown."),
        low=0.0,
        high=1.0,
        group="answers",
    )
    background = Setting(
        "bool",
        True,
        QT_TRANSLATE_NOOP("Settings", "Compare with neutral sentences"),
        QT_TRANSLATE_NOOP("Settings", "So that a photo of none of the labels says unknown."),
        group="answers",
    )
    mode = Setting(
        "choice",
        "single",
        QT_TRANSLATE_NOOP("Settings", "Labels a photo"),
        QT_TRANSLATE_NOOP("Settings", "One label a photo, or every label judged by itself."),
        choices=("single", "multi"),
        group="answers",
    )
    csv_bom = Setting(
        "bool",
        False,
        QT_TRANSLATE_NOOP("Settings", "Mark CSV files for Excel"),
        QT_TRANSLATE_NOOP("Settings", "A byte-order mark, without which Excel misreads accents."),
        group="export",
    )
    csv_absolute = Setting(
        "bool",
        False,
        QT_TRANSLATE_NOOP("Settings", "Whole paths in CSV files"),
        QT_TRANSLATE_NOOP("Settings", "Otherwise paths are relative to the labelled folder."),
        group="export",
    )
    labels = Setting[tuple[str, ...]]("texts", (), shown=False)
    prompt_set = Setting("text", "photo", shown=False)
    label_recipe = Setting("text", "", shown=False)  # as desktop_app.label_recipe writes it
    label_columns = Setting("text", "", shown=False)  # how wide the labels' column is and how high its parts
    recent_folders = Setting[tuple[str, ...]]("texts", (), shown=False)
    last_folder = Setting("text", "", shown=False)
    last_photo = Setting("text", "", shown=False)  # in focus when the window was closed
    current_model = Setting("text", "", shown=False)
    masking_model = Setting("text", "", shown=False)
    features_model = Setting("text", "", shown=False)
    welcomed = Setting("bool", False, shown=False)
    panel = Setting("text", "", shown=False)
    window_geometry = Setting("text", "", shown=False)
    inspector_shown = Setting("bool", True, shown=False)
    inspector_width = Setting("int", 320, low=120, high=4000, shown=False)

    def model_places(self) -> tuple[Path, ...]:
        """Where models are looked for besides the bundled ones: the person's own, and the folders of the setting."""
        return (paths.models_dir(), *map(Path, self.model_folders))

    def remember_folder(self, folder: str, keep: int = 12) -> None:
        """Put the folder first among the recent ones."""
        others = tuple(item for item in self.recent_folders if item != folder)
        self.recent_folders = (folder, *others)[:keep]
        self.last_folder = folder
