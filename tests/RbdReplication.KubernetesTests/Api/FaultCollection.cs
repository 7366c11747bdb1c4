namespace RbdReplication.KubernetesTests.Api;

/// <summary>Tests that stop an API server: one at a time, and nothing else beside them.</summary>
[CollectionDefinition("Faults", DisableParallelization = true)]
public sealed class FaultCollection;
