"""From a file to pixels: decoding, orientation, colour space, and what stands against measuring the photograph."""

from melascope.photo.finding import Finding
from melascope.photo.photograph import Photo, PhotoRefused
from melascope.photo.reading import read_photo

__all__ = ["Finding", "Photo", "PhotoRefused", "read_photo"]
