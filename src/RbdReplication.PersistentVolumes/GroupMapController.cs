using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using RbdReplication.Core;
using RbdReplication.Kubernetes.Events;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Informers;
using RbdReplication.Kubernetes.Leases;
using RbdReplication.Kubernetes.Work;
using GroupChange = RbdReplication.Kubernetes.Informers.ObjectChange<RbdReplication.Kubernetes.Groups.VolumeGroupContent>;

namespace RbdReplication.PersistentVolumes;

/// <summary>One term of keeping volume groups: follows their objects, and reconciles those that are new or changed in batches.</summary>
internal sealed class GroupMapController : IDisposable
{
    private const int BatchSize = 64;

    // A group that waits for its volumes costs a few reads, and there are few groups.
    private static readonly TimeSpan LongestRetryDelay = TimeSpan.FromSeconds(30);

    private readonly Informer<VolumeGroupContent> _informer;
    private readonly GroupReconciler _reconciler;
    private readonly MappingReports _reports;
    private readonly OmapGeneratorOptions _options;
    private readonly WorkQueue<VolumeGroupContent> _queue;
    private readonly ConcurrentDictionary<Guid, string> _known = new();
    private Task? _passing;
    private volatile int _groups;
    private volatile bool _hasPassed;

    public GroupMapController(
        Informer<VolumeGroupContent> informer, GroupReconciler reconciler, EventRecorder events, GeneratorTelemetry telemetry, OmapGeneratorOptions options,
        TimeProvider time, ILogger<GroupMapController> logger)
    {
        _informer = informer;
        _reconciler = reconciler;
        _options = options;
        _reports = new MappingReports(events, MappingWords.ForGroups(telemetry), time, logger);
        var longest = options.LongestRetryDelay < LongestRetryDelay ? options.LongestRetryDelay : LongestRetryDelay;
        _queue = new WorkQueue<VolumeGroupContent>(new WorkQueueOptions { LongestRetryDelay = longest }, LaneOf, time, logger);
    }

    /// <summary>Every group has been checked at least once in this term, or the API server has none.</summary>
    public bool HasPassed => _hasPassed;

    public int Groups => _groups;

    public int QueueDepth => _queue.Depth;

    public int BackingOff => _queue.BackingOff;

    public long WatchRestarts => _informer.Restarts;

    public IEnumerable<KeyValuePair<ReconcileResult, int>> Failing => _reports.Failing;

    /// <summary>Works until the term ends and the writes in hand are done.</summary>
    public async Task RunAsync(Leadership leadership, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var working = _queue.RunAsync(_options.Workers, BatchSize, (contents, token) => ReconcileAsync(contents, leadership, token), stop.Token);
        try
        {
            await _informer.RunAsync(ApplyAsync, stop.Token);
        }
        finally
        {
            await stop.CancelAsync();
            await working;
            await (_passing ?? Task.CompletedTask).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose() => _queue.Dispose();

    private ValueTask ApplyAsync(GroupChange change, CancellationToken cancellationToken)
    {
        switch (change)
        {
            case GroupChange.Listed page:
                foreach (var content in page.Items)
                    Apply(content);
                break;
            case GroupChange.Applied applied:
                Apply(applied.Item);
                break;
            case GroupChange.Deleted deleted:
                Forget(deleted.Id);
                break;
            case GroupChange.ListCompleted list:
                _groups = list.Count;
                _passing ??= PassAsync(cancellationToken);
                break;
        }
        return ValueTask.CompletedTask;
    }

    private async Task PassAsync(CancellationToken cancellationToken)
    {
        await _queue.WaitBelowAsync(1, cancellationToken);
        _hasPassed = true;
    }

    private void Apply(VolumeGroupContent content)
    {
        var id = content.Reference.Id;
        if (GroupRequest.IsExempt(content, _options.DriverName))
        {
            Forget(id);
            return;
        }
        _known[id] = KeyOf(content);
        _queue.Add(KeyOf(content), content);
    }

    private void Forget(Guid id)
    {
        if (_known.TryRemove(id, out var key))
            _queue.Remove(key);
        _reports.Forget(id);
    }

    // One that was deleted and made again under the same name is another one.
    private static string KeyOf(VolumeGroupContent content) => $"{content.Uid} {content.Name}";

    private static string LaneOf(VolumeGroupContent content) =>
        $"{(VolumeHandle.TryParse(content.Handle ?? "", out var handle, out _) ? handle.ClusterId : "")}/{content.Attributes?.Pool}";

    private async Task<IReadOnlyList<bool>> ReconcileAsync(IReadOnlyList<VolumeGroupContent> contents, Leadership leadership, CancellationToken cancellationToken)
    {
        var outcomes = await _reconciler.RunAsync(contents, leadership.ThrowIfLost, cancellationToken);
        foreach (var (content, outcome) in contents.Zip(outcomes))
        {
            // Not of one that was deleted meanwhile.
            if (_known.ContainsKey(content.Reference.Id))
                _reports.Report(content.Reference, content.Handle, outcome);
        }
        // What is broken is looked at again when it changes, except for what its class may mend.
        return [.. contents.Zip(outcomes, (content, outcome) => outcome.IsGood || (outcome.Result == ReconcileResult.InvalidGroup && !content.NeedsClass))];
    }
}
