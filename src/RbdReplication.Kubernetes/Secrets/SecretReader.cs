namespace RbdReplication.Kubernetes.Secrets;

/// <summary>
/// Reads Secrets one at a time with GET, the only verb it needs, and remembers each for a short time. Concurrent readers of
/// one Secret share one request.
/// </summary>
public sealed class SecretReader(KubernetesApi api, TimeProvider time)
{
    /// <summary>How long a Secret is used without asking whether it changed.</summary>
    public static readonly TimeSpan Lifetime = TimeSpan.FromSeconds(30);

    /// <summary>How long a failure is the answer for further readers, so that thousands of volumes ask once.</summary>
    public static readonly TimeSpan FailureLifetime = TimeSpan.FromSeconds(2);

    private const int Capacity = 1024;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<ObjectName, Entry> _entries = [];

    /// <summary>
    /// The Secret as it is now, or was at most <see cref="Lifetime"/> ago. While its resourceVersion stays the same, the
    /// same object is returned, so that what was derived from it need not be made again.
    /// </summary>
    /// <exception cref="KubernetesApiException">The Secret does not exist, or the API server could not be asked.</exception>
    public Task<Secret> ReadAsync(ObjectName name, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(name);
        Task<Secret> reading;
        lock (_lock)
        {
            _entries.TryGetValue(name, out var entry);
            if (entry is null || entry.IsStale(time))
            {
                if (entry is null && _entries.Count >= Capacity)
                    MakeRoom();
                // Not the caller's token: others may be waiting for the same answer.
                _entries[name] = entry = new Entry(GetAsync(name, entry?.Value), time.GetTimestamp());
            }
            reading = entry.Reading;
        }
        return reading.WaitAsync(cancellation);
    }

    /// <summary>Ask again next time: the credentials were refused and may have been corrected.</summary>
    public void Forget(ObjectName name)
    {
        lock (_lock)
        {
            // A request under way was sent after the refused one was read and will do.
            if (_entries.TryGetValue(name, out var entry) && entry.Reading.IsCompleted)
                _entries.Remove(name);
        }
    }

    private async Task<Secret> GetAsync(ObjectName name, Secret? known)
    {
        // Leave the caller's lock before anything is sent.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        var found = await api.ReadAsync(
            $"api/v1/namespaces/{Uri.EscapeDataString(name.Namespace)}/secrets/{Uri.EscapeDataString(name.Name)}", SecretJson.Default.SecretDocument, Timeout, time, CancellationToken.None).ConfigureAwait(false);
        var version = found.Metadata?.ResourceVersion ?? "";
        if (known is not null && version.Length > 0 && known.ResourceVersion == version)
            return known;
        return found.ToSecret(version) ?? throw new KubernetesApiException(null, null, $"{api.Address} answers with no Secret for {name}");
    }

    private void MakeRoom()
    {
        foreach (var (name, entry) in _entries)
        {
            if (entry.IsStale(time))
                _entries.Remove(name);
        }
        if (_entries.Count >= Capacity)
            _entries.Clear();
    }

    private sealed record Entry(Task<Secret> Reading, long Started)
    {
        public Secret? Value => Reading.IsCompletedSuccessfully ? Reading.Result : null;

        public bool IsStale(TimeProvider time) =>
            Reading.IsCompleted && time.GetElapsedTime(Started) >= (Reading.IsCompletedSuccessfully ? Lifetime : FailureLifetime);
    }
}
