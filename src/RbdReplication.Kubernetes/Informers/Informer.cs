using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Informers;

/// <summary>
/// Follows the objects of a resource: a full list in pages, then a watch from the list's version, and again when the server says
/// that version is gone.
/// </summary>
/// <param name="api">The API server.</param>
/// <param name="resource">What to follow; used by one informer only.</param>
/// <param name="options">How.</param>
/// <param name="time">Clock.</param>
/// <param name="logger">Log.</param>
public sealed class Informer<T>(KubernetesApi api, WatchedResource<T> resource, InformerOptions options, TimeProvider time, ILogger logger)
    where T : class
{
    private readonly KnownObjects<T> _known = new(resource);
    private readonly Backoff _backoff = new(options.FirstRetryDelay, options.LongestRetryDelay);
    private long _restarts;
    private long _badEvents;
    private bool _isAbsent;

    /// <summary>Watches that ended early and lists that were made again.</summary>
    public long Restarts => Volatile.Read(ref _restarts);

    /// <summary>Watch lines that could not be read and were passed over.</summary>
    public long BadEvents => Volatile.Read(ref _badEvents);

    /// <summary>
    /// Reports every object and then every change until <paramref name="stop"/>. One report is awaited before the next is
    /// made; what <paramref name="report"/> throws ends the watch. No failure of the API server does.
    /// </summary>
    public async Task RunAsync(Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
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
            catch (KubernetesApiException e) when (IsAbsence(e))
            {
                await ReportAbsenceAsync(e, report, stop).ConfigureAwait(false);
                continue;
            }
            catch (Exception e) when (IsServerFailure(e, stop))
            {
                Log.ListFailed(logger, resource.Kind, e.Message);
            }
            Interlocked.Increment(ref _restarts);
            await Task.Delay(_backoff.Next(), time, stop).ConfigureAwait(false);
        }
    }

    /// <returns>The version to watch from.</returns>
    private async Task<string> ListAsync(Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        var started = time.GetTimestamp();
        string? version;
        _known.BeginPass();
        var reading = ReadPageAsync(null, stop);
        bool more;
        do
        {
            var page = await reading.ConfigureAwait(false);
            version = page.Version;
            // The next page travels while this one is worked on.
            more = !string.IsNullOrEmpty(page.Continue);
            if (more)
                reading = ReadPageAsync(page.Continue, stop);
            foreach (var item in page.Items)
                _known.Add(item);
            await report(new ObjectChange<T>.Listed(page.Items), stop).ConfigureAwait(false);
        }
        while (more);

        // Only now: an object that is missing on one page may be on the next, and a list that breaks off proves nothing.
        await EndPassAsync(report, stop).ConfigureAwait(false);
        _isAbsent = false;
        Log.Listed(logger, _known.Count, resource.Kind, resource.Selection, time.GetElapsedTime(started).TotalSeconds);
        return version ?? throw new JsonException("the list has no resourceVersion");
    }

    private async Task EndPassAsync(Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        foreach (var id in _known.EndPass())
            await report(new ObjectChange<T>.Deleted(id), stop).ConfigureAwait(false);
        await report(new ObjectChange<T>.ListCompleted(_known.Count), stop).ConfigureAwait(false);
    }

    // Where a kind is not installed this is how it stays, so it is said once; what is forbidden was not meant to be.
    private async Task ReportAbsenceAsync(KubernetesApiException answer, Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        if (!answer.IsNotFound)
            Log.ListFailed(logger, resource.Kind, answer.Message);
        else if (!_isAbsent)
            Log.KindAbsent(logger, resource.Kind, options.AbsenceInterval.TotalMinutes);
        _isAbsent = answer.IsNotFound;
        _known.BeginPass();
        await EndPassAsync(report, stop).ConfigureAwait(false);
        await Task.Delay(options.AbsenceInterval, time, stop).ConfigureAwait(false);
    }

    private async Task<ListPage<T>> ReadPageAsync(string? next, CancellationToken stop)
    {
        var path = $"{resource.Path}?limit={options.PageSize}";
        if (!string.IsNullOrEmpty(next))
            path += $"&continue={Uri.EscapeDataString(next)}";
        using var response = await api.GetAsync(path, time, stop).ConfigureAwait(false);
        using var silence = new CancellationTokenSource(TimeSpan.FromMinutes(1), time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, stop);
        var body = await response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            return await resource.ReadPageAsync(body, both.Token).ConfigureAwait(false);
        }
    }

    /// <returns>The version to go on from, or null when a full list has to come first.</returns>
    private async Task<string?> WatchAsync(
        string version, Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
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
        catch (KubernetesApiException e) when (IsAbsence(e))
        {
            if (e.IsNotFound)
                return null;
            // Lists alone are left, and nothing is gained by many of them.
            Log.ErrorEvent(logger, (int)HttpStatusCode.Forbidden, e.Message);
            await Task.Delay(options.AbsenceInterval, time, stop).ConfigureAwait(false);
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
        Position position, TimeSpan duration, Func<ObjectChange<T>, CancellationToken, ValueTask> report, CancellationToken stop)
    {
        var path = $"{resource.Path}?watch=1&allowWatchBookmarks=true"
            + $"&resourceVersion={Uri.EscapeDataString(position.Version)}&timeoutSeconds={(int)duration.TotalSeconds}";
        using var response = await api.GetAsync(path, time, stop).ConfigureAwait(false);
        // The server ends the watch after `duration`. When it does not, the connection is dead without our being told.
        using var dead = new CancellationTokenSource(duration + TimeSpan.FromSeconds(30), time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(dead.Token, stop);
        var body = await response.Content.ReadAsStreamAsync(both.Token).ConfigureAwait(false);
        await using var lines = new WatchLines<T>(resource, body);
        while (true)
        {
            WatchEvent<T>? line;
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
                Log.ErrorEvent(logger, line.Code ?? 0, line.Message ?? "no message");
                return false;
            }
            position.MoveTo(line.Version);
            _backoff.Reset();
            if (Interpret(line) is { } change)
                await report(change, stop).ConfigureAwait(false);
        }
    }

    private ObjectChange<T>? Interpret(WatchEvent<T> line)
    {
        if (line.Type is not ("ADDED" or "MODIFIED" or "DELETED") || line.Item is not { } item)
            return null;
        if (line.Type == "DELETED")
            return _known.Remove(resource.IdOf(item)) ? new ObjectChange<T>.Deleted(resource.IdOf(item)) : null;
        return _known.Add(item) ? new ObjectChange<T>.Applied(item) : null;
    }

    private bool IsAbsence(KubernetesApiException answer) =>
        resource.IsOptional && answer.Status is (HttpStatusCode.NotFound or HttpStatusCode.Forbidden);

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
