"""Gives the native module what it needs of the package, which it does not import."""

from . import _native
from ._convert import convert_call
from ._decode import field_decoder, unreadable
from ._fields import encode_field
from ._foreign import parameter
from ._models import fields_of
from ._stored import StoredJson
from ._values import Interval, dump_json, format_stack, watch_shutdown, write_log

_native.adopt(
    Interval=Interval,
    StoredJson=StoredJson,
    convert_call=convert_call,
    dump_json=dump_json,
    encode_field=encode_field,
    field_decoder=field_decoder,
    fields_of=fields_of,
    format_stack=format_stack,
    parameter=parameter,
    unreadable=unreadable,
    watch_shutdown=watch_shutdown,
    write_log=write_log,
)
