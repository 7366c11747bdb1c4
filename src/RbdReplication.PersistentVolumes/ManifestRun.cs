using System.Globalization;
using RbdReplication.Core;
using RbdReplication.Kubernetes;
using RbdReplication.Kubernetes.Groups;
using RbdReplication.Kubernetes.Manifests;
using RbdReplication.Kubernetes.Secrets;

namespace RbdReplication.PersistentVolumes;

/// <summary>What one run over manifests is to do.</summary>
/// <param name="Path">A file or directory of manifests.</param>
/// <param name="SecretDirectory">Secrets as files; empty to take them from the manifests alone.</param>
/// <param name="DriverName">CSI driver whose volumes are mapped.</param>
/// <param name="InstanceId">ceph-csi's instance id.</param>
/// <param name="Reconcile">Metadata and dry run.</param>
public sealed record ManifestRunOptions(string Path, string SecretDirectory, string DriverName, string InstanceId, ReconcileOptions Reconcile);

/// <summary>Maps the volumes and volume groups of manifests once, without an API server: for a restore, or to see what would be written.</summary>
public static class ManifestRun
{
    // A batch shares the reads of its directory entries; on a terminal, progress is shown after each.
    private const int BatchSize = 250;

    private const int Attempts = 3;

    // Goes to the start of the line and clears it.
    private const string ClearLine = "\r\u001b[K";

    /// <summary>Maps the volumes, then the groups, and writes what became of them.</summary>
    /// <returns>Whether every volume has its mapping, and every group its entries.</returns>
    /// <exception cref="ManifestException">The manifests cannot be read; nothing was done.</exception>
    public static async Task<bool> RunAsync(
        ManifestRunOptions options, ClusterFiles files, TextWriter output, TextWriter errors, bool showProgress, CancellationToken cancellationToken)
    {
        var manifests = ManifestReader.Read(options.Path);
        await using var connections = new ClusterConnections(TimeProvider.System);
        var opener = new JournalOpener(
            connections, new Places(connections, TimeProvider.System), (name, _) => Task.FromResult(FindSecret(manifests, options.SecretDirectory, name)), _ => { },
            options.InstanceId, TimeProvider.System);
        var tally = new Tally(output, errors, "", options.Reconcile.DryRun);
        var requests = Admit(manifests, options.DriverName, tally);
        var reconciler = new Reconciler(files, opener, options.Reconcile);
        var finished = 0;
        foreach (var batch in requests.Chunk(BatchSize))
        {
            var outcomes = await RunBatchAsync(reconciler.RunAsync, batch, cancellationToken);
            if (showProgress)
                await errors.WriteAsync(ClearLine);
            for (var i = 0; i < batch.Length; i++)
                tally.Add(batch[i].Volume.Name, outcomes[i]);
            finished += batch.Length;
            if (showProgress)
                await errors.WriteAsync(string.Create(CultureInfo.InvariantCulture, $"{finished}/{requests.Count} volumes"));
        }
        if (showProgress && requests.Count > 0)
            await errors.WriteLineAsync();
        await output.WriteLineAsync(tally.Summary);
        if (manifests.Groups.Count == 0)
            return tally.Failed == 0;
        var operations = new GroupOperations(new VolumeGate(TimeProvider.System), new VolumeLocks(Environment.MachineName, TimeProvider.System), connections);
        var groupReconciler = new GroupReconciler(
            files, opener, new GroupRegeneration(operations, TimeProvider.System),
            (name, _) => Task.FromResult(manifests.GroupClasses.TryGetValue(name, out var groupClass) ? groupClass : null), options.Reconcile.DryRun);
        var groupTally = new Tally(output, errors, "groups: ", options.Reconcile.DryRun);
        await RunGroupsAsync(groupReconciler, manifests, options.DriverName, groupTally, cancellationToken);
        await output.WriteLineAsync(groupTally.Summary);
        return tally.Failed == 0 && groupTally.Failed == 0;
    }

    private static async Task RunGroupsAsync(GroupReconciler reconciler, ManifestObjects manifests, string driverName, Tally tally, CancellationToken cancellationToken)
    {
        var contents = manifests.Groups.Where(content => !GroupRequest.IsExempt(content, driverName)).ToList();
        tally.Skipped = manifests.Groups.Count - contents.Count;
        foreach (var batch in contents.Chunk(BatchSize))
        {
            var outcomes = await RunBatchAsync<VolumeGroupContent>(reconciler.RunAsync, batch, cancellationToken);
            for (var i = 0; i < batch.Length; i++)
                tally.Add(batch[i].Name, outcomes[i]);
        }
    }

    /// <summary>
    /// What was overtaken is tried again: a generator may be at work at the same time, and manifests may have an object twice.
    /// </summary>
    private static async Task<ReconcileOutcome[]> RunBatchAsync<T>(
        Func<IReadOnlyList<T>, Action, CancellationToken, Task<IReadOnlyList<ReconcileOutcome>>> reconcile, T[] batch, CancellationToken cancellationToken)
    {
        var outcomes = new ReconcileOutcome[batch.Length];
        List<int> left = [.. Enumerable.Range(0, batch.Length)];
        for (var attempt = 0; attempt < Attempts && left.Count > 0; attempt++)
        {
            var latest = await reconcile([.. left.Select(i => batch[i])], cancellationToken.ThrowIfCancellationRequested, cancellationToken);
            foreach (var (i, outcome) in left.Zip(latest))
                outcomes[i] = outcome;
            left.RemoveAll(i => outcomes[i].Result != ReconcileResult.Interrupted);
        }
        return outcomes;
    }

    private static List<ReconcileRequest> Admit(ManifestObjects manifests, string driverName, Tally tally)
    {
        var requests = new List<ReconcileRequest>();
        foreach (var volume in manifests.Volumes)
        {
            if (ReconcileRequest.IsExempt(volume, driverName))
                tally.Skipped++;
            else if (ReconcileRequest.From(volume, out var problem) is { } request)
                requests.Add(request);
            else
                tally.Add(volume.Name, new(ReconcileResult.InvalidVolume, problem));
        }
        return requests;
    }

    private static Secret FindSecret(ManifestObjects manifests, string directory, ObjectName name)
    {
        try
        {
            if (directory.Length > 0 && SecretDirectory.Read(directory, name) is { } found)
                return found;
        }
        catch (ManifestException e)
        {
            throw new ReplicationException(ReplicationError.InvalidArgument, e.Message, e);
        }
        return manifests.Secrets.TryGetValue(name, out var secret)
            ? secret
            : throw new ReplicationException(ReplicationError.InvalidArgument, $"secret {name} is neither in the manifests nor under --secret-dir");
    }

    private sealed class Tally(TextWriter output, TextWriter errors, string what, bool dryRun)
    {
        private int _mapped;
        private int _repaired;
        private int _unchanged;

        public int Skipped { get; set; }

        public int Failed { get; private set; }

        public string Summary => string.Create(
            CultureInfo.InvariantCulture,
            $"{(dryRun ? "dry run: " : "")}{what}{_mapped} mapped, {_repaired} repaired, {_unchanged} mapped before, {Failed} failed, {Skipped} skipped");

        public void Add(string name, ReconcileOutcome outcome)
        {
            switch (outcome.Result)
            {
                case ReconcileResult.Mapped:
                    _mapped++;
                    break;
                case ReconcileResult.Repaired:
                    _repaired++;
                    break;
                case ReconcileResult.Unchanged:
                    _unchanged++;
                    break;
                default:
                    Failed++;
                    errors.WriteLine($"{name}: {outcome.Result}: {outcome.Message}");
                    return;
            }
            if (!dryRun || outcome.Message.Length == 0)
                return;
            foreach (var line in outcome.Message.Split('\n'))
                output.WriteLine($"{name}: would set {line}");
        }
    }
}
