"""The dashboard: ask the model something, change one part of it, look inside, compare. A Panel app.

    omni dashboard                     # http://127.0.0.1:5006; --port, --no-browser, --model

    form.py     edits as forms, read from their own signatures
    job.py      what a click on Run sets going: a turn at the desk, followed, then drawn
    tab.py      what one browser tab holds: the job it sees, the one it has pinned
    page.py     the page of a tab, made of goes_in.py, changes.py, comes_out.py (with beside.py)
                and inside.py; its frame is page.html, its look look.py and two sheets
    live.py     the views, by the very files that notebooks use, sharing one selection
    server.py   the server, on this machine alone

The first three know nothing of Panel. Nothing is asked of any network.
Left out: microphones (the chat has them), films, conversations of several turns.
"""
