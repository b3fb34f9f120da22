"""Numbers as people read them, the same in every panel and on the command line. No Qt."""


def percent(part: float, digits: int = -1) -> str:
    """A share (0 to 1) as 3%, 0.4%, 100%: the sign at the figure, as in English text; `digits` fixes those behind
    the point, which else stand only where a small share would read as none."""
    if digits < 0:
        digits = 0 if part >= 0.0095 or part < 0.0005 else 1
    return f"{part:.{digits}%}"
