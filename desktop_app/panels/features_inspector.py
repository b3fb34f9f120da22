"""At the right of the feature maps: the channel in numbers, the colours, why this label, this place, the model."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QLineEdit, QPushButton

from desktop_app import theme
from desktop_app.figures import percent
from desktop_app.session import Session
from desktop_app.widgets.feature_histogram import FeatureHistogram
from desktop_app.widgets.feature_legend import number as short
from desktop_app.widgets.feature_photos import FeaturePhotos
from desktop_app.widgets.model_chooser import ModelChooser
from desktop_app.widgets.score_bars import Bar, ScoreBars
from desktop_app.widgets.section import Column, Section, text
from desktop_app.widgets.value_slider import ValueSlider

if TYPE_CHECKING:
    from desktop_app.panels.features_folder import Excited
    from models.tasks.explain import ClassScore, Explanation
    from models.tasks.feature_maps import Channel, Spot, Strong

COLOUR_MAPS = ("viridis", "magma", "inferno", "cividis", "grey")


class FeaturesInspector(Column):
    """Shows what the panel gives it; every wish of the hand is a signal."""

    colours_chosen = Signal(str)
    opacity_chosen = Signal(float)
    scan_asked = Signal()
    photo_chosen = Signal(str)
    class_chosen = Signal(str)
    text_asked = Signal(str)
    method_chosen = Signal(str)
    channel_asked = Signal(int)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._build_channel()
        self._build_place()
        self._build_look()
        self._build_why()
        self._build_photos(session)
        self._build_model()
        self.finish()
        self.show_channel(None, "viridis")
        self.show_place(None)
        self.show_explanation(None)

    # --- building

    def _build_channel(self) -> None:
        self.channel_section = Section(self.tr("Channel"))
        self.numbers = text("")
        self.numbers.setFont(theme.number_font())
        self.histogram = FeatureHistogram()
        self.channel_section.body.addWidget(self.numbers)
        self.channel_section.body.addWidget(self.histogram)
        self.body.addWidget(self.channel_section)

    def _build_look(self) -> None:
        section = Section(self.tr("Over the photo"))
        self.opacity = ValueSlider(self.tr("Opacity"), 0, 1, 0.7, steps=20, show=percent)
        self.opacity.changed.connect(self.opacity_chosen)
        self.colours = QComboBox()
        self.colours.addItems(COLOUR_MAPS)
        self.colours.setAccessibleName(self.tr("Colour map"))
        self.colours.currentTextChanged.connect(self.colours_chosen)
        row = QHBoxLayout()
        label = QLabel(self.tr("&Colours"))
        label.setBuddy(self.colours)
        row.addWidget(label)
        row.addWidget(self.colours, 1)
        section.body.addWidget(self.opacity)
        section.body.addLayout(row)
        self.body.addWidget(section)

    def _build_why(self) -> None:
        section = Section(self.tr("Why this label"))
        self.classes = ScoreBars()
        self.classes.chosen.connect(self.class_chosen)
        self.no_classes = text(self.tr("This network names no classes. Ask with words of your own."), "muted")
        self.words = QLineEdit()
        self.words.setPlaceholderText(self.tr("Any words, such as “a red helmet”"))
        self.words.setAccessibleName(self.tr("Words to explain"))
        self.words.setClearButtonEnabled(True)
        self.words.returnPressed.connect(lambda: self.text_asked.emit(self.words.text().strip()))
        self.method = QComboBox()
        self.method.addItem(self.tr("Grad-CAM, at the chosen layer"), "grad_cam")
        self.method.addItem(self.tr("Class activation, last layer"), "cam")
        self.method.setAccessibleName(self.tr("How the map is made"))
        self.method.activated.connect(lambda row: self.method_chosen.emit(str(self.method.itemData(row))))
        self.explained = text("", "small")
        for widget in (self.classes, self.no_classes, self.words, self.method, self.explained):
            section.body.addWidget(widget)
        self.body.addWidget(section)

    def _build_photos(self, session: Session) -> None:
        section = Section(self.tr("Photos that excite it most"))
        self.photos = FeaturePhotos(session)
        self.photos.chosen.connect(self.photo_chosen)
        self.photos_words = text("", "muted")
        self.scan = QPushButton(self.tr("Scan the Open Folder"))
        self.scan.clicked.connect(self.scan_asked)
        for widget in (self.photos, self.photos_words, self.scan):
            section.body.addWidget(widget)
        self.photos.hide()
        self.body.addWidget(section)

    def _build_place(self) -> None:
        section = Section(self.tr("This place"))
        self.place = text("", "muted")
        # It changes with every move of the mouse: what stands below it must not jump.
        self.place.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.place.setMinimumHeight(3 * self.place.fontMetrics().lineSpacing() + 4)
        section.body.addWidget(self.place)
        row = QHBoxLayout()
        row.setSpacing(4)
        self.stands_out = QLabel(self.tr("Stand out:"))
        row.addWidget(self.stands_out)
        self.strong: list[QPushButton] = []
        for _ in range(4):
            button = QPushButton()
            button.setStyleSheet("padding: 2px 4px")
            button.setFixedWidth(44)
            button.clicked.connect(lambda _=False, button=button: self.channel_asked.emit(int(button.text())))
            kept = button.sizePolicy()
            kept.setRetainSizeWhenHidden(True)
            button.setSizePolicy(kept)
            button.hide()
            self.strong.append(button)
            row.addWidget(button)
        row.addStretch(1)
        section.body.addLayout(row)
        self.body.addWidget(section)

    def _build_model(self) -> None:
        section = Section(self.tr("Model"))
        self.models = ModelChooser(self.tr("Model whose features are shown"))
        section.body.addWidget(self.models)
        self.body.addWidget(section)

    # --- showing

    def show_channel(self, channel: "Channel | None", colour_map: str) -> None:
        """One channel in numbers."""
        self.histogram.set_channel(channel, colour_map)
        self.histogram.setVisible(channel is not None)
        if channel is None:
            self.numbers.setText(self.tr("No channel is chosen."))
            return
        self.numbers.setText(
            self.tr(
                "No. {number}: {low} to {high}, mean {mean} ± {deviation}; over zero in {positive}"
            ).format(
                number=channel.index,
                low=short(channel.minimum),
                high=short(channel.maximum),
                mean=short(channel.mean),
                deviation=short(channel.deviation),
                positive=percent(channel.positive),
            )
        )

    def show_classes(self, classes: "Sequence[ClassScore]", chosen: str) -> None:
        """The likeliest classes of the classifier."""
        self.classes.setVisible(bool(classes))
        self.no_classes.setVisible(not classes)
        self.classes.set_bars([Bar(one.label, one.probability) for one in classes], selected=chosen)

    def show_explanation(self, found: "Explanation | None") -> None:
        """What the map on screen says."""
        if found is None:
            self.explained.setText(
                self.tr("Choose a class, or type words and press Enter, to see what speaks for it.")
            )
            return
        self.explained.setText(
            self.tr("What speaks for “{label}” at {layer}: score {score}").format(
                label=found.label, layer=found.layer, score=short(found.score)
            )
        )

    def show_excited(self, found: "Excited | None", *, running: bool, progress: str = "") -> None:
        """The photos of the folder by this channel, and how to have more of them."""
        self.photos.set_photos(found.photos if found else ())
        self.scan.setText(self.tr("Stop the Scan") if running else self.tr("Scan the Open Folder"))
        missing = found.missing if found else 0
        self.scan.setVisible(running or missing > 0)
        words = progress
        if not running and found is not None and missing:
            words = self.tr("Not scanned at this layer yet: {count}").format(count=missing)
        self.photos_words.setText(words)
        self.photos_words.setVisible(bool(words))

    def show_place(
        self, spot: "Spot | None", strong: "Sequence[Strong]" = (), side: int = 0, said: str = ""
    ) -> None:
        """What is at the place under the mouse: the value, the receptive field, the channels that stand out."""
        self.show_strong(strong if spot is not None else ())
        if spot is None:
            self.place.setText(
                self.tr("Point at the photo: its receptive field and strongest channels appear here.")
            )
            return
        value = "" if spot.value is None else self.tr("value {value}; ").format(value=short(spot.value))
        words = self.tr("Row {row}, column {column}: {value}sees {field}").format(
            row=spot.row + 1,
            column=spot.column + 1,
            value=value,
            field=self.tr("{field} of {side} px").format(field=spot.field, side=side)
            if spot.field < side
            else self.tr("the whole picture ({field} px)").format(field=spot.field),
        )
        self.place.setText(words + (f"\n{said}" if said else ""))

    def show_strong(self, strong: "Sequence[Strong]") -> None:
        """The channels that stand out at the place, each a way to that channel."""
        self.stands_out.setVisible(bool(strong))
        for button, one in zip(self.strong, [*strong, *[None] * len(self.strong)], strict=False):
            button.setVisible(one is not None)
            if one is not None:
                button.setText(str(one.index))
                tip = self.tr("Channel {number}: {value:.2f}, {deviations:.1f} deviations over its mean")
                button.setToolTip(tip.format(number=one.index, value=one.value, deviations=one.deviations))
                button.setAccessibleName(button.toolTip())
