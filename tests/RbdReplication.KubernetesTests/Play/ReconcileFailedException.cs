namespace RbdReplication.KubernetesTests.Play;

/// <summary>A reconcile is to be made again, sooner or later as failures add up.</summary>
internal sealed class ReconcileFailedException(string message) : Exception(message);
