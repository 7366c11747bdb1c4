using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>The <see cref="FaultMatrix"/> with faults of the server and its caller, which do not disturb other tests.</summary>
public sealed class ServerFaultMatrixTests(TwoSites sites)
{
    [Theory]
    [InlineData("server killed and restarted")]
    [InlineData("client gone")]
    [InlineData("configuration swapped and broken")]
    [InlineData("disk of the log full")]
    public Task Each_of_the_seven_calls_reaches_its_goal_and_undoes_nothing_after(string fault) => new FaultMatrix(sites).RunAsync(fault);
}
