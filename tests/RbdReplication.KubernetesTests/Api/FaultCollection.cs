namespace RbdReplication.KubernetesTests.Api;

/// <summary>Tests that stop a server or take rights away: one at a time, and nothing else beside them.</summary>
[CollectionDefinition("Faults", DisableParallelization = true)]
public sealed class FaultCollection;
