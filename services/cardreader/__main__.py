from kit.lifecycle import run
from services.cardreader.app import build
from services.cardreader.settings import Settings

run("cardreader", Settings, build)
