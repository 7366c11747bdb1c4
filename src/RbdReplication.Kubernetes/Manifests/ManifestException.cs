namespace RbdReplication.Kubernetes.Manifests;

/// <summary>A manifest or a directory of secrets cannot be read. The message names the file, never what a Secret holds.</summary>
public sealed class ManifestException(string message, Exception? cause = null) : Exception(message, cause);
