namespace RbdReplication.Kubernetes.Groups;

/// <summary>Reads VolumeGroupReplicationClasses one at a time with GET.</summary>
public sealed class VolumeGroupClassReader(KubernetesApi api, TimeProvider time)
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    /// <summary>The class as it is now; null if there is none of that name.</summary>
    /// <exception cref="KubernetesApiException">The API server could not be asked.</exception>
    public async Task<VolumeGroupClass?> ReadAsync(string name, CancellationToken cancellation)
    {
        try
        {
            var path = $"apis/{VolumeGroupContent.ApiVersion}/volumegroupreplicationclasses/{Uri.EscapeDataString(name)}";
            return (await api.ReadAsync(path, VolumeGroupJson.Default.VolumeGroupClassDocument, Timeout, time, cancellation).ConfigureAwait(false)).ToClass();
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            return null;
        }
    }
}
