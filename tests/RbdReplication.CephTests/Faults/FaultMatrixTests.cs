using RbdReplication.CephTests.Sandbox;

namespace RbdReplication.CephTests.Faults;

/// <summary>The <see cref="FaultMatrix"/> with faults of the cluster.</summary>
[Collection("Faults")]
public sealed class FaultMatrixTests(TwoSites sites)
{
    [Theory]
    [InlineData("OSD frozen")]
    [InlineData("OSD killed and restarted")]
    [InlineData("monitor restarted")]
    [InlineData("manager killed and restarted")]
    [InlineData("mirror daemons killed and restarted")]
    public Task Each_of_the_seven_calls_reaches_its_goal_and_undoes_nothing_after(string fault) => new FaultMatrix(sites).RunAsync(fault);
}
