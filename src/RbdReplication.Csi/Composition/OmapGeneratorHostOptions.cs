using RbdReplication.Csi.Hosting;
using RbdReplication.PersistentVolumes;

namespace RbdReplication.Csi.Composition;

/// <summary>Settings of <c>omap-generator</c>; each is a command-line option of the same name.</summary>
internal sealed record OmapGeneratorHostOptions
{
    /// <summary>What it has in common with the server.</summary>
    public required CommandHostOptions Host { get; init; }

    /// <summary>What is kept.</summary>
    public required OmapGeneratorOptions Generator { get; init; }

    /// <summary>Path of a kubeconfig; null for the pod's service account.</summary>
    public required string? KubeConfig { get; init; }
}
