"""What can be asked about a scene, and how it is asked: a file a kind of question.

    seen.py       objects, colours, counts, places, printed words
    heard.py      sounds: which, how often, when, in what order
    spoken.py     who speaks, what is said and when, in which language, what it means
    film.py       what comes, goes and moves; what is seen while something is heard
    captions.py   describe it: short, in detail, as JSON
    fact.py       what all of these yield

Each has two tables: ASKED, task -> what it takes and its facts; PHRASINGS, task -> ways to ask.
`model.data.ask` joins them and asks.
"""
