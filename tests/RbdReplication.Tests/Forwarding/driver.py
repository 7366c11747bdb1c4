"""A CSI-Addons driver of another make, on Debian's grpcio: its Identity, and a service that nobody has heard of.

driver.py SOCKET CAPABILITIES IDENTITY: the last two are its answers to GetCapabilities and GetIdentity, in hexadecimal.
Prints "ready" when it listens. Messages are bytes that nobody here decodes, so nothing has to be generated from .proto files.
"""
import asyncio
import json
import os
import sys

import grpc

MIB = 1024 * 1024
counts = {"hanging": 0, "cancelled": 0, "asked": 0}
released = asyncio.Event()


async def echo(request, context):
    await context.send_initial_metadata((("x-initial", "first"),))
    context.set_trailing_metadata((("x-trailing", "last"), ("x-trailing-bin", bytes(range(8)))))
    return request


async def metadata(request, context):
    return json.dumps({key: value if isinstance(value, str) else value.hex() for key, value in context.invocation_metadata()}).encode()


async def time_left(request, context):
    return str(context.time_remaining()).encode()


async def fail(request, context):
    code, text = json.loads(request)
    context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x09details"), ("x-trailing", "failed")))
    await context.abort(next(c for c in grpc.StatusCode if c.value[0] == code), text)


async def hang(request, context):
    counts["hanging"] += 1
    try:
        await released.wait()
        return b"released"
    except asyncio.CancelledError:
        counts["cancelled"] += 1
        raise


async def release(request, context):
    """Lets everything go that hangs now, and nothing that comes later."""
    global released
    released.set()
    released = asyncio.Event()
    return b""


async def count(request, context):
    return json.dumps(counts).encode()


async def sized(request, context):
    return b"x" * int(request)


async def stream(request, context):
    yield b"one"
    yield b"two"


async def die_half_way(request, context):
    yield b"one"
    # What was sent has to be on its way.
    await asyncio.sleep(0.2)
    os._exit(7)


async def capabilities(request, context):
    counts["asked"] += 1
    return bytes.fromhex(sys.argv[2])


async def identity(request, context):
    return bytes.fromhex(sys.argv[3])


METHODS = {
    "/identity.Identity/GetCapabilities": grpc.unary_unary_rpc_method_handler(capabilities),
    "/identity.Identity/GetIdentity": grpc.unary_unary_rpc_method_handler(identity),
    "/unheard.of.Service/Echo": grpc.unary_unary_rpc_method_handler(echo),
    "/unheard.of.Service/Metadata": grpc.unary_unary_rpc_method_handler(metadata),
    "/unheard.of.Service/TimeLeft": grpc.unary_unary_rpc_method_handler(time_left),
    "/unheard.of.Service/Fail": grpc.unary_unary_rpc_method_handler(fail),
    "/unheard.of.Service/Hang": grpc.unary_unary_rpc_method_handler(hang),
    "/unheard.of.Service/Release": grpc.unary_unary_rpc_method_handler(release),
    "/unheard.of.Service/Count": grpc.unary_unary_rpc_method_handler(count),
    "/unheard.of.Service/Sized": grpc.unary_unary_rpc_method_handler(sized),
    "/unheard.of.Service/Stream": grpc.unary_stream_rpc_method_handler(stream),
    "/unheard.of.Service/DieHalfWay": grpc.unary_stream_rpc_method_handler(die_half_way),
    # gRPC's own reflection, which is never to be asked through us.
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": grpc.unary_unary_rpc_method_handler(echo),
}


class Handlers(grpc.GenericRpcHandler):
    def service(self, details):
        return METHODS.get(details.method)


async def main():
    # It reports each call that was cancelled while it was answered.
    asyncio.get_running_loop().set_exception_handler(lambda loop, failure: None)
    server = grpc.aio.server(options=(("grpc.max_send_message_length", 128 * MIB), ("grpc.max_receive_message_length", 128 * MIB)))
    server.add_generic_rpc_handlers((Handlers(),))
    server.add_insecure_port("unix://" + sys.argv[1])
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


asyncio.run(main())
