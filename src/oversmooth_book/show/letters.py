"""The letters of a file that stands alone: matplotlib's DejaVu, cut down to the characters that the file has.

So a sheet is laid out the same on every machine, and nothing is fetched.
"""

import base64
import functools
import io
from pathlib import Path

FAMILY, MONO = "Takeaway", "Takeaway Mono"
FACES = {
    "DejaVuSans.ttf": f'"{FAMILY}"; font-weight: 400',
    "DejaVuSans-Bold.ttf": f'"{FAMILY}"; font-weight: 700',
    "DejaVuSans-Oblique.ttf": f'"{FAMILY}"; font-style: italic',
    "DejaVuSansMono.ttf": f'"{MONO}"',
}


def letters(text: str) -> str:
    """Style rules that bring the letters of a text along.

    Args:
        text: all characters that will be shown; others may be among them.

    Returns:
        CSS for the families `FAMILY` and `MONO`.
    """
    shown = "".join(sorted(set(text) | set(map(chr, range(32, 127)))))
    rules = (
        f"@font-face {{ font-family: {face}; src: url(data:font/woff;base64,{_cut(file, shown)}) }}"
        for file, face in FACES.items()
    )
    return "\n".join(rules)


@functools.lru_cache(maxsize=16)
def _cut(file: str, shown: str) -> str:
    """A face with these characters only, as base64; the same characters give the same bytes."""
    import matplotlib
    from fontTools import subset

    options = subset.Options(flavor="woff", hinting=False, recalc_timestamp=False, notdef_outline=True)
    options.drop_tables += ["FFTM"]  # an editor's time stamp, which the library would complain about
    font = subset.load_font(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / file, options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=shown)
    cutter.subset(font)
    file_like = io.BytesIO()
    subset.save_font(font, file_like, options)
    return base64.b64encode(file_like.getvalue()).decode()
