using Grpc.Core;
using RbdReplication.CephTests.Sandbox;
using Xunit.Sdk;

namespace RbdReplication.Tests.Serve;

public sealed class EventuallyTests
{
    [Fact]
    public async Task An_assertion_that_fails_and_a_bug_of_the_server_end_the_wait_and_other_failures_do_not()
    {
        await Assert.ThrowsAsync<EqualException>(() => Eventually.TrueAsync(
            () =>
            {
                Assert.Equal(1, 2);
                return Task.FromResult(true);
            }, "this is not waited for"));
        await Assert.ThrowsAsync<RpcException>(() => Eventually.TrueAsync(
            () => throw new RpcException(new Status(StatusCode.Internal, "a bug in this server: …")), "this is not waited for"));
        var asked = 0;
        await Eventually.TrueAsync(
            () => ++asked < 3 ? throw new RpcException(new Status(StatusCode.Aborted, "")) : Task.FromResult(true), "the third attempt");
        Assert.Equal(3, asked);
    }
}
