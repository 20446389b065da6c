from kit.lifecycle import run
from services.qr.app import build
from services.qr.settings import Settings

run("qr", Settings, build)
