namespace RbdReplication.CephTests.Sandbox;

/// <summary>Tests that stop daemons or cut the network: one at a time, and nothing else beside them.</summary>
[CollectionDefinition("Faults", DisableParallelization = true)]
public sealed class FaultCollection;
