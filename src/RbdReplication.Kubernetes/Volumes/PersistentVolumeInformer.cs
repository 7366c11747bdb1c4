using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Volumes;

/// <summary>
/// Follows the PersistentVolumes of one CSI driver: a full list in pages, then a watch from the list's version, and again
/// when the server says that version is gone.
/// </summary>
public sealed class PersistentVolumeInformer(
    KubernetesApi api, PersistentVolumeInformerOptions options, TimeProvider time, ILogger<PersistentVolumeInformer> logger)
{
    private readonly KnownVolumes _known = new();
    private readonly StringPool _strings = new();
    private readonly Backoff _backoff = new(options.FirstRetryDelay, options.LongestRetryDelay);
    private long _restarts;
    private long _badEvents;

    /// <summary>Watches that ended early and lists that were made again.</summary>
    public long Restarts => Volatile.Read(ref _restarts);

    /// <summary>Watch lines that could not be read and were passed over.</summary>
    public long BadEvents => Volatile.Read(ref _badEvents);

    /// <summary>
    /// Reports every volume and then every change until <paramref name="stop"/>. One report is awaited before the next is
    /// made; what <paramref name="report"/> throws ends the watch. No failure of the API server does.
    /// </summary>
    public async Task RunAsync(Func<VolumeChange, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(report);
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            try
            {
                var listed = time.GetTimestamp();
                var version = await ListAsync(report, stop).ConfigureAwait(false);
                _backoff.Reset();
                while (version is not null && time.GetElapsedTime(listed) < options.FullListInterval)
                    version = await WatchAsync(version, report, stop).ConfigureAwait(false);
                if (version is not null)
                    continue;
            }
            catch (Exception e) when (IsServerFailure(e, stop))
            {
                Log.ListFailed(logger, e.Message);
            }
            Interlocked.Increment(ref _restarts);
            await Task.Delay(_backoff.Next(), time, stop).ConfigureAwait(false);
        }
    }

    /// <returns>The version to watch from.</returns>
    private async Task<string> ListAsync(Func<VolumeChange, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        var started = time.GetTimestamp();
        string? version;
        _known.BeginPass();
        var reading = ReadPageAsync(null, stop);
        bool more;
        do
        {
            var page = await reading.ConfigureAwait(false);
            version = page.Metadata?.ResourceVersion;
            // The next page travels while this one is worked on.
            more = !string.IsNullOrEmpty(page.Metadata?.Continue);
            if (more)
                reading = ReadPageAsync(page.Metadata?.Continue, stop);
            var volumes = Select(page);
            foreach (var volume in volumes)
                _known.Add(volume);
            await report(new VolumeChange.Listed(volumes), stop).ConfigureAwait(false);
        }
        while (more);

        // Only now: a volume that is missing on one page may be on the next, and a list that breaks off proves nothing.
        foreach (var id in _known.EndPass())
            await report(new VolumeChange.Deleted(id), stop).ConfigureAwait(false);
        await report(new VolumeChange.ListCompleted(_known.Count), stop).ConfigureAwait(false);
        Log.Listed(logger, _known.Count, options.DriverName, time.GetElapsedTime(started).TotalSeconds);
        return version ?? throw new JsonException("the list has no resourceVersion");
    }

    private async Task<PersistentVolumeListDocument> ReadPageAsync(string? next, CancellationToken stop)
    {
        var path = $"api/v1/persistentvolumes?limit={options.PageSize}";
        if (!string.IsNullOrEmpty(next))
            path += $"&continue={Uri.EscapeDataString(next)}";
        using var response = await api.GetAsync(path, time, stop).ConfigureAwait(false);
        using var silence = new CancellationTokenSource(TimeSpan.FromMinutes(1), time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, stop);
        var body = await response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            return await JsonSerializer
                .DeserializeAsync(body, PersistentVolumeJson.Default.PersistentVolumeListDocument, both.Token).ConfigureAwait(false)
                ?? throw new JsonException("null in place of a list");
        }
    }

    private List<PersistentVolume> Select(PersistentVolumeListDocument page)
    {
        var volumes = new List<PersistentVolume>(page.Items?.Count ?? 0);
        foreach (var item in page.Items ?? [])
        {
            if (item.ToVolume(_strings) is { } volume && volume.Driver == options.DriverName)
                volumes.Add(volume);
        }
        return volumes;
    }

    /// <returns>The version to go on from, or null when a full list has to come first.</returns>
    private async Task<string?> WatchAsync(
        string version, Func<VolumeChange, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        var duration = options.WatchDuration * (1 + Random.Shared.NextDouble());
        var position = new Position(version);
        try
        {
            if (!await FollowAsync(position, duration, report, stop).ConfigureAwait(false))
                return null;
        }
        catch (KubernetesApiException e) when (e.IsGone)
        {
            Log.VersionGone(logger, position.Version, e.Message);
            return null;
        }
        catch (Exception e) when (IsServerFailure(e, stop))
        {
            Interlocked.Increment(ref _restarts);
            Log.WatchBroke(logger, position.Version, e.Message);
            await Task.Delay(_backoff.Next(), time, stop).ConfigureAwait(false);
            return position.Version;
        }
        if (!position.Moved)
        {
            // Ended in order but at once and empty: a server or proxy that does this must not be asked in a tight loop.
            await Task.Delay(_backoff.Next(), time, stop).ConfigureAwait(false);
        }
        return position.Version;
    }

    /// <returns>False when the server reported an error inside the stream: the version cannot be trusted any more.</returns>
    private async Task<bool> FollowAsync(
        Position position, TimeSpan duration, Func<VolumeChange, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        var path = "api/v1/persistentvolumes?watch=1&allowWatchBookmarks=true"
            + $"&resourceVersion={Uri.EscapeDataString(position.Version)}&timeoutSeconds={(int)duration.TotalSeconds}";
        using var response = await api.GetAsync(path, time, stop).ConfigureAwait(false);
        // The server ends the watch after `duration`. When it does not, the connection is dead without our being told.
        using var dead = new CancellationTokenSource(duration + TimeSpan.FromSeconds(30), time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(dead.Token, stop);
        var body = await response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
        await using var lines = new WatchLines(body);
        while (true)
        {
            WatchEventDocument? line;
            try
            {
                line = await lines.ReadAsync(both.Token).ConfigureAwait(false);
            }
            catch (JsonException e)
            {
                Interlocked.Increment(ref _badEvents);
                Log.BadEvent(logger, e.Message);
                continue;
            }
            if (line is null)
                return true;
            if (line.Type == "ERROR")
            {
                Log.ErrorEvent(logger, line.Object?.Code ?? 0, line.Object?.Message ?? "no message");
                return false;
            }
            position.MoveTo(line.Object?.Metadata?.ResourceVersion);
            _backoff.Reset();
            if (Interpret(line) is { } change)
                await report(change, stop).ConfigureAwait(false);
        }
    }

    private VolumeChange? Interpret(WatchEventDocument line)
    {
        if (line.Type is not ("ADDED" or "MODIFIED" or "DELETED") || line.Object?.ToVolume(_strings) is not { } volume)
            return null;
        // A volume cannot change its driver, but one that is deleted and made anew under the same name has another UID.
        if (volume.Driver != options.DriverName)
            return null;
        if (line.Type == "DELETED")
            return _known.Remove(VolumeId.Of(volume)) ? new VolumeChange.Deleted(VolumeId.Of(volume)) : null;
        return _known.Add(volume) ? new VolumeChange.Applied(volume) : null;
    }

    private static bool IsServerFailure(Exception e, CancellationToken stop) =>
        !stop.IsCancellationRequested
        && e is KubernetesApiException or HttpRequestException or IOException or JsonException or OperationCanceledException;

    private sealed class Position(string version)
    {
        public string Version { get; private set; } = version;

        public bool Moved { get; private set; }

        public void MoveTo(string? version)
        {
            Moved = true;
            if (!string.IsNullOrEmpty(version))
                Version = version;
        }
    }
}
