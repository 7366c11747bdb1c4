namespace RbdReplication.PersistentVolumes;

/// <summary>What is done beside mappings.</summary>
/// <param name="SetMetadata">Write the names of claim, namespace and cluster onto images.</param>
/// <param name="ClusterName">Name of the Kubernetes cluster; empty for none.</param>
/// <param name="DryRun">Write nothing; outcomes tell what would be written.</param>
public sealed record ReconcileOptions(bool SetMetadata, string ClusterName, bool DryRun);
