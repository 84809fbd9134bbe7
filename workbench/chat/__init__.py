"""The chat: talk to the model in a browser, interrupt it, compare two settings, look inside.

    omni chat                          # http://127.0.0.1:7860; --port, --no-browser, --model, --mcp

    settings.py   what can be set, and the changes that a second answer can be made with
    ear.py        hands-free: what microphones hear, and who has the floor
    talk.py       one conversation: what was asked, what was answered, what was really heard
    files.py      uploads in, checked by their bytes; the files of an answer out
    clips.py      a clip as frames and sound
    page.py       the Gradio page: its parts, and what happens when
    server.py     the server, on this machine alone, and its documented endpoint
    talk.js       in the browser: the conversation as it is drawn, and a gapless PCM player
    ear.js        the microphone: its sound to the server, and what follows from it
    talk.css      the look of both

All but page.py and server.py know nothing of Gradio. Nothing is asked of any network.
Left out: tools.
"""
