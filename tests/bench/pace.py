"""When a sweep has found its pace again after the allowed rate halved. Pure."""

from bisect import bisect_left

# The pace is looked at over windows of this length: of one cut to 0.7 and the way back, which rolekeeper makes now and
# then at any pace, 4 % are missing in a window of five seconds, and 9 % in one of two.
WINDOW_SECONDS = 5.0
STEP_SECONDS = 0.5
LEAST, MOST = 0.9, 1.1


def held_from(passed, asked, halved_at, tail_at, rate):
    """Seconds after `halved_at` from which on the pace held: in the window that begins there, and in every later one up to
    the tail, at least 90 % of `rate` calls a second passed, and at most 110 % were asked: whoever goes on as before
    and is throttled gets its full share too. None: it never held, or there was no time to see it.

    `passed` and `asked` are moments, `asked` with the throttled ones. `tail_at` is when the last account was begun:
    after it a sweep runs dry, and its pace says nothing.
    """
    passed, asked = sorted(passed), sorted(asked)
    windows = int((tail_at - WINDOW_SECONDS - halved_at) // STEP_SECONDS) + 1
    held = None
    for number in reversed(range(max(0, windows))):
        begin = halved_at + number * STEP_SECONDS
        if share(passed, begin, rate) < LEAST or MOST < share(asked, begin, rate):
            break
        held = begin - halved_at
    return held


def share(moments, begin, rate):
    """The part of `rate` that the window has."""
    return (bisect_left(moments, begin + WINDOW_SECONDS) - bisect_left(moments, begin)) / (rate * WINDOW_SECONDS)
