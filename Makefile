# make tour    sets everything up and lets the model answer two recordings
# make lab     opens the notebooks in JupyterLab, the tour first
# make chat    talk to it in a browser
# make test    the same for the tests           make clean   away with what was set up
#
# Each target makes .venv as far as it needs it; nothing is done twice. On a machine with a GPU, or
# for a smaller download without one, name the torch you want: make tour TORCH="torch==2.13.0 ..."

PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
TORCH ?= $(shell grep '^torch==' constraints.txt)
VENV ?= .venv

BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
PERSON := datasets/samples/speech_en_asterisk_2.wav
QUESTION := datasets/samples/question_male.wav

.PHONY: tour test lab chat clean
.DELETE_ON_ERROR:

tour: $(VENV)/base.stamp
	@mkdir -p out
	@echo; echo "A person, recorded ($(PERSON)), and the request: What was said?"
	@$(BIN)/omni talk $(PERSON) "What was said?" -o out/person.wav
	@echo; echo "A spoken question ($(QUESTION)):"
	@$(BIN)/omni talk $(QUESTION) -o out/question.wav

test: $(VENV)/dev.stamp
	@$(BIN)/ruff check --quiet .
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q --numprocesses auto --dist loadfile $(PYTEST)

lab: $(VENV)/lab.stamp
	@echo "JupyterLab opens the tour (Ctrl-C ends it; make lab JUPYTER='--no-browser' only says where)"
	@$(BIN)/jupyter lab --ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" --LabApp.news_url=None \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate $(JUPYTER) \
		notebooks/00_tour.ipynb

chat: $(VENV)/app.stamp
	@$(BIN)/omni chat

clean:
	rm -rf $(VENV) out build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- set-up ---------------------------------------------------------------------------------------

$(VENV)/made.stamp:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python"; exit 1; }
	@echo "set-up: $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV) || { echo "python -m venv failed (Debian: apt install python3-venv)"; exit 1; }
	@touch $@

$(VENV)/torch.stamp: $(VENV)/made.stamp
	@$(BIN)/python -c 'import torch' 2>/dev/null || { echo "set-up: $(TORCH)"; $(PIP) $(TORCH); }
	@touch $@

# torch stays as it was installed above; all else has the versions that were tested
$(VENV)/%.stamp: $(VENV)/torch.stamp pyproject.toml constraints.txt
	@echo "set-up: omni-workbench and what it needs ($*)"
	@grep -v '^torch==' constraints.txt > $(VENV)/constraints.txt
	@$(PIP) -c $(VENV)/constraints.txt -e '.$(if $(filter-out base,$*),[$*])'
	@touch $@
