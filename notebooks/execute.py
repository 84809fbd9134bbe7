"""Runs the notebooks from nothing and puts their outputs in place, from the root of the repository:

    jupyter nbconvert --config notebooks/execute.py notebooks/*.ipynb

Pictures and tables only (what pages without scripts show), no state of widgets, no times of day.
"""

import os

os.environ["WB_RENDER"] = "static"

c = get_config()
c.NbConvertApp.export_format = "notebook"
c.NbConvertApp.use_output_suffix = False
c.FilesWriter.build_directory = ""
c.ExecutePreprocessor.enabled = True
c.ExecutePreprocessor.kernel_name = "python3"
c.ExecutePreprocessor.timeout = 600
c.CoalesceStreamsPreprocessor.enabled = True
c.ExecutePreprocessor.record_timing = False
c.ExecutePreprocessor.store_widget_state = False
c.ClearMetadataPreprocessor.enabled = True
c.ClearMetadataPreprocessor.preserve_nb_metadata_mask = {("language_info", "name"), "kernelspec"}
