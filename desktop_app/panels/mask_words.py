"""What the masking panel's figures mean, in plain words."""

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from desktop_app.figures import percent

if TYPE_CHECKING:
    from models.tasks.mask_scores import Score
    from models.tasks.masking import MaskResult, Why75

GREY_LEVELS = 255
translate = QCoreApplication.translate


def decibel(value: float) -> str:
    """PSNR to read: higher is better."""
    return translate("MaskWords", "exact") if math.isinf(value) else f"{value:.1f} dB"


def squared(score: "Score") -> str:
    """Mean squared error to read, of values 0 to 1."""
    return f"{score.mse:.4f}" if score.mse >= 0.0001 else f"{score.mse:.1e}" if score.mse else "0"


def verdict(result: "MaskResult") -> str:
    """Whether the model did better than two fillings that know nothing of pictures."""
    if not result.patches.any():
        return translate(
            "MaskWords", "Nothing is hidden, so there is nothing to paint back. Hide some patches."
        )
    if result.patches.all():
        return translate(
            "MaskWords", "Everything is hidden: what is painted is what the model expects of any photo."
        )
    ahead = result.score.psnr - result.bilinear.psnr
    share = result.score.mse / result.mean_fill.mse if result.mean_fill.mse else 1.0
    if math.isnan(ahead) or math.isinf(ahead):
        return translate("MaskWords", "The hidden patches are so even that interpolation brings them back.")
    if share > 0.995:
        lead = translate("MaskWords", "The model is no better here than filling in the mean colour")
    else:
        lead = translate(
            "MaskWords", "The model leaves {share} of the error that filling in the mean colour leaves"
        ).format(share=percent(share))
    if ahead >= 0.1:
        return translate("MaskWords", "{lead}, and is {ahead:.1f} dB better than interpolation.").format(
            lead=lead, ahead=ahead
        )
    if ahead <= -0.1:
        return translate("MaskWords", "{lead}, and interpolation is {ahead:.1f} dB better.").format(
            lead=lead, ahead=-ahead
        )
    return translate("MaskWords", "{lead}, and is as good as interpolation.").format(lead=lead)


def meaning() -> str:
    """What MSE and PSNR are."""
    return translate(
        "MaskWords",
        "Over the hidden patches alone. MSE: mean squared error of values from 0 to 1, less is better. PSNR: the same "
        "in decibels, more is better; 3 dB more is half the error.",
    )


def tokens(result: "MaskResult") -> str:
    """What the encoder read and what that saved."""
    seen = translate("MaskWords", "The encoder read {seen} of {total} patches").format(
        seen=result.tokens_seen, total=result.tokens_all
    )
    if result.compute_saved > 0:
        return translate("MaskWords", "{seen}, which spared it {saved} of its work.").format(
            seen=seen, saved=percent(result.compute_saved)
        )
    if result.patches.any() and result.tokens_seen == result.tokens_all:
        return translate(
            "MaskWords",
            "{seen}: this model reads a mask token for each hidden patch, so hiding saves no work.",
        ).format(seen=seen)
    return f"{seen}."


def why(found: "Why75") -> str:
    """Why three quarters are hidden, measured on this picture."""
    text = translate(
        "MaskWords",
        "With {few} hidden, interpolation reaches {few_copy} on this photo (the model {few_model}): gaps "
        "that small need no understanding. With 75% hidden it falls to {copy} (the model {model}), so a model "
        "has to know what things look like.",
    ).format(
        few=percent(found.few_ratio),
        few_copy=decibel(found.few_copying),
        few_model=decibel(found.few_model),
        copy=decibel(found.many_copying),
        model=decibel(found.many_model),
    )
    if found.compute_saved <= 0:
        return text
    saved = translate(
        "MaskWords",
        "And the encoder reads {seen} of {total} patches: {saved} of its work is saved while it learns.",
    )
    return f"{text} " + saved.format(
        seen=found.tokens_seen, total=found.tokens_all, saved=percent(found.compute_saved)
    )


def patch(row: int, column: int, error: float) -> str:
    """One patch: where it is and how far off the paint is."""
    where = translate("MaskWords", "Row {row}, column {column}").format(row=row + 1, column=column + 1)
    if math.isnan(error):
        return translate("MaskWords", "{where}: visible, the model read it.").format(where=where)
    return translate("MaskWords", "{where}: hidden, {error:.0f} of {most} grey levels off.").format(
        where=where, error=error, most=GREY_LEVELS
    )
