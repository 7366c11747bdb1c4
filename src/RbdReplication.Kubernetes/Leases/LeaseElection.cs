using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Leases;

/// <summary>
/// Elects one leader among candidates through a <c>coordination.k8s.io/v1</c> Lease. Fields and rules are client-go's.
/// </summary>
public sealed class LeaseElection(
    KubernetesApi api, LeaseElectionOptions options, TimeProvider time, ILogger<LeaseElection> logger)
{
    private static readonly TimeSpan ReleaseTimeout = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _requestTimeout = options.RenewDeadline / 2;
    private LeaseDocument? _lease;
    private LeaseRecord? _observed;
    private long _observedAt;
    // A claim that was sent may have been written, whatever became of the answer.
    private bool _mayHold;
    private volatile bool _leading;
    private volatile bool _following;

    /// <summary>Whether this process leads now.</summary>
    public bool IsLeader => _leading;

    /// <summary>Whether another candidate held the lease when it was last looked at.</summary>
    public bool IsFollower => _following;

    /// <summary>
    /// Waits until the lease is ours, runs <paramref name="lead"/>, and starts over when the term ends, until
    /// <paramref name="stop"/>; then the lease is given back. <paramref name="lead"/> must end soon after its leadership's
    /// token is cancelled; the lease is neither given back nor sought again before it has. What it throws, other than
    /// being cancelled, ends the election.
    /// </summary>
    public async Task RunAsync(Func<Leadership, Task> lead, CancellationToken stop)
    {
        ArgumentNullException.ThrowIfNull(lead);
        try
        {
            while (true)
            {
                var sent = await AcquireAsync(stop).ConfigureAwait(false);
                await LeadAsync(lead, sent, stop).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A clean stop.
        }
        finally
        {
            await ReleaseAsync().ConfigureAwait(false);
        }
    }

    private async Task<long> AcquireAsync(CancellationToken stop)
    {
        while (true)
        {
            stop.ThrowIfCancellationRequested();
            var sent = time.GetTimestamp();
            switch (await TryTakeAsync(stop).ConfigureAwait(false))
            {
                case Attempt.Held:
                    _following = false;
                    return sent;
                case Attempt.HeldByOther:
                    _following = true;
                    break;
            }
            await Task.Delay(options.RetryPeriod * (1 + (1.2 * Random.Shared.NextDouble())), time, stop).ConfigureAwait(false);
        }
    }

    private async Task LeadAsync(Func<Leadership, Task> lead, long sent, CancellationToken stop)
    {
        using var leadership = new Leadership(time, options.RenewDeadline, sent);
        using var stopping = stop.UnsafeRegister(static term => ((Leadership)term!).End(), leadership);
        _leading = true;
        Log.Elected(logger, options.Lease.ToString(), options.Identity);
        // The work is started apart: its first synchronous part must not delay a renewal.
        var work = Task.Run(() => lead(leadership), CancellationToken.None);
        var renewal = RenewAsync(leadership);
        await Task.WhenAny(work, renewal).ConfigureAwait(false);
        leadership.End();
        await renewal.ConfigureAwait(false);
        try
        {
            await work.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The term ended under it.
        }
        finally
        {
            _leading = false;
        }
        if (!stop.IsCancellationRequested)
            Log.Lost(logger, options.Lease.ToString(), options.Identity);
    }

    /// <summary>Renews until the term ends.</summary>
    private async Task RenewAsync(Leadership leadership)
    {
        try
        {
            while (true)
            {
                await Task.Delay(options.RetryPeriod, time, leadership.Token).ConfigureAwait(false);
                var sent = time.GetTimestamp();
                switch (await TryTakeAsync(leadership.Token).ConfigureAwait(false))
                {
                    case Attempt.Held:
                        leadership.Renew(sent);
                        break;
                    case Attempt.HeldByOther:
                        leadership.End();
                        return;
                    default:
                        break; // No answer, or a conflict: the next attempt, or the deadline, decides.
                }
            }
        }
        catch (OperationCanceledException) when (leadership.Token.IsCancellationRequested)
        {
            // The term is over.
        }
    }

    private async Task<Attempt> TryTakeAsync(CancellationToken stop)
    {
        try
        {
            // While leading, what we wrote last is normally still there: one request is enough. Anything else is a conflict.
            var lease = _lease ?? await ReadAsync(_requestTimeout, stop).ConfigureAwait(false);
            Observe(lease);
            if (!IsFree(lease))
            {
                _lease = null;
                _mayHold = false;
                return Attempt.HeldByOther;
            }
            _mayHold = true;
            _lease = await WriteAsync(HttpMethod.Put, LeasePath, Claim(lease), _requestTimeout, stop).ConfigureAwait(false);
            Observe(_lease);
            return Attempt.Held;
        }
        catch (KubernetesApiException e) when (e.IsNotFound && _lease is null)
        {
            return await TryCreateAsync(stop).ConfigureAwait(false);
        }
        catch (KubernetesApiException e)
        {
            _lease = null;
            if (!e.IsConflict)
                Log.LeaseFailed(logger, options.Lease.ToString(), e.Message);
            return Attempt.Undecided;
        }
    }

    private async Task<Attempt> TryCreateAsync(CancellationToken stop)
    {
        try
        {
            _mayHold = true;
            var lease = Claim(new LeaseDocument { Metadata = new LeaseMetadata { Name = options.Lease.Name, Namespace = options.Lease.Namespace } });
            _lease = await WriteAsync(HttpMethod.Post, LeasesPath, lease, _requestTimeout, stop).ConfigureAwait(false);
            Observe(_lease);
            return Attempt.Held;
        }
        catch (KubernetesApiException e)
        {
            if (!e.IsConflict)
                Log.LeaseFailed(logger, options.Lease.ToString(), e.Message);
            return Attempt.Undecided;
        }
    }

    private async Task ReleaseAsync()
    {
        if (!_mayHold)
            return;
        try
        {
            try
            {
                await GiveBackAsync(_lease ?? await ReadAsync(ReleaseTimeout, CancellationToken.None).ConfigureAwait(false)).ConfigureAwait(false);
            }
            catch (KubernetesApiException e) when (e.IsConflict)
            {
                // A renewal that the stop cut off may have been written after all.
                await GiveBackAsync(await ReadAsync(ReleaseTimeout, CancellationToken.None).ConfigureAwait(false)).ConfigureAwait(false);
            }
        }
        catch (KubernetesApiException e) when (e.IsNotFound)
        {
            // Nobody has it.
        }
        catch (KubernetesApiException e)
        {
            // It runs out by itself.
            Log.LeaseFailed(logger, options.Lease.ToString(), e.Message);
        }
        _lease = null;
        _mayHold = false;
    }

    private async Task GiveBackAsync(LeaseDocument lease)
    {
        if (lease.Spec is not { } spec || spec.HolderIdentity != options.Identity)
            return;
        spec.HolderIdentity = "";
        spec.LeaseDurationSeconds = 1;
        spec.AcquireTime = spec.RenewTime = LeaseSpec.Format(time.GetUtcNow());
        await WriteAsync(HttpMethod.Put, LeasePath, lease, ReleaseTimeout, CancellationToken.None).ConfigureAwait(false);
        Log.Released(logger, options.Lease.ToString());
    }

    /// <summary>
    /// Free is: nobody's, ours, or not renewed for its duration by our own clock since we saw it change. The times inside
    /// the object come from somebody else's clock and are not compared.
    /// </summary>
    private bool IsFree(LeaseDocument lease)
    {
        var holder = lease.Spec?.HolderIdentity;
        if (string.IsNullOrEmpty(holder) || holder == options.Identity)
            return true;
        var duration = TimeSpan.FromSeconds(lease.Spec?.LeaseDurationSeconds ?? options.LeaseDuration.TotalSeconds);
        return time.GetElapsedTime(_observedAt) > duration;
    }

    private void Observe(LeaseDocument lease)
    {
        var record = LeaseRecord.Of(lease);
        if (record == _observed)
            return;
        _observed = record;
        _observedAt = time.GetTimestamp();
    }

    private LeaseDocument Claim(LeaseDocument lease)
    {
        var now = LeaseSpec.Format(time.GetUtcNow());
        var spec = lease.Spec ??= new LeaseSpec { LeaseTransitions = -1 };
        if (spec.HolderIdentity != options.Identity)
        {
            spec.LeaseTransitions = (spec.LeaseTransitions ?? 0) + 1;
            spec.AcquireTime = now;
            spec.HolderIdentity = options.Identity;
        }
        spec.RenewTime = now;
        spec.LeaseDurationSeconds = (int)options.LeaseDuration.TotalSeconds;
        return lease;
    }

    private string LeasesPath => $"apis/coordination.k8s.io/v1/namespaces/{options.Lease.Namespace}/leases";

    private string LeasePath => $"{LeasesPath}/{options.Lease.Name}";

    private Task<LeaseDocument> ReadAsync(TimeSpan timeout, CancellationToken cancellation) =>
        api.ReadAsync(LeasePath, LeaseJson.Default.LeaseDocument, timeout, time, cancellation);

    private Task<LeaseDocument> WriteAsync(HttpMethod method, string path, LeaseDocument lease, TimeSpan timeout, CancellationToken cancellation) =>
        api.WriteAsync(method, path, lease, LeaseJson.Default.LeaseDocument, timeout, time, cancellation);

    private enum Attempt
    {
        Held,
        HeldByOther,
        Undecided,
    }

    private sealed record LeaseRecord(string? Holder, int? DurationSeconds, string? Acquired, string? Renewed, int? Transitions)
    {
        public static LeaseRecord Of(LeaseDocument lease) => new(
            lease.Spec?.HolderIdentity, lease.Spec?.LeaseDurationSeconds, lease.Spec?.AcquireTime, lease.Spec?.RenewTime,
            lease.Spec?.LeaseTransitions);
    }
}
