"""Gives user data to cloud-init's own code, as its stages do. What it would run lies in `scripts` then.

Arguments: the folder with cloud-init, a file with user data, a folder for cloud-init's state."""

import os
import sys

sys.path.insert(0, sys.argv[1])

from cloudinit import handlers, helpers, user_data  # noqa: E402
from cloudinit.handlers import shell_script  # noqa: E402
from cloudinit.settings import PER_INSTANCE  # noqa: E402


class Source:
    """What a data source says of the instance."""

    def get_instance_id(self):
        return "i-0123456789abcdef0"


state = sys.argv[3]
scripts = os.path.join(state, "scripts")
os.makedirs(scripts)
paths = helpers.Paths({"cloud_dir": state, "run_dir": state, "templates_dir": state})
paths.datasource = Source()
with open(sys.argv[2], "rb") as file:
    message = user_data.UserDataProcessor(paths).process(file.read())
for part in message.walk():
    if part.get_content_maintype() != "multipart":
        print(part.get_content_type(), part.get_filename())
handler = shell_script.ShellScriptPartHandler(paths)
handler.script_dir = scripts
data = {
    "handlers": {kind: handler for kind in handler.list_types()},
    "handlerdir": state,
    "data": None,
    "frequency": PER_INSTANCE,
    "handlercount": 0,
    "excluded": [],
}
handlers.walk(message, handlers.walker_callback, data)
