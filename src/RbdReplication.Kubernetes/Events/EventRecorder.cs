using System.Globalization;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace RbdReplication.Kubernetes.Events;

/// <summary>
/// Writes core/v1 Events on objects without a namespace. One Event stands for any number of repetitions: they raise its count, and at
/// most every <see cref="RepeatInterval"/>. Recording never waits and never fails; when Events come faster than the API
/// server takes them, the surplus is dropped.
/// </summary>
public sealed class EventRecorder(KubernetesApi api, string component, TimeProvider time, ILogger<EventRecorder> logger)
{
    /// <summary>Repetitions within this time are counted, not written.</summary>
    public static readonly TimeSpan RepeatInterval = TimeSpan.FromMinutes(10);

    /// <summary>Events of cluster-scoped objects live here.</summary>
    private const string EventNamespace = "default";

    private const string EventsPath = $"api/v1/namespaces/{EventNamespace}/events";

    private const int MessageLimit = 1024;

    // Tens of thousands of volumes can wait for their images at once, and each is to be told once.
    private const int Capacity = 32768;
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<EventKey, Repetition> _repetitions = [];
    private readonly Channel<Pending> _pending = Channel.CreateBounded<Pending>(
        new BoundedChannelOptions(1000) { SingleReader = true });
    private long _written;
    private long _dropped;

    /// <summary>Events created or updated.</summary>
    public long Written => Volatile.Read(ref _written);

    /// <summary>Events that were not written: too many at once, or refused by the API server.</summary>
    public long Dropped => Volatile.Read(ref _dropped);

    /// <summary>Records that something about the object needs attention.</summary>
    public void Warning(ObjectReference involved, string reason, string message) => Record(involved, "Warning", reason, message);

    /// <summary>Records something that went well.</summary>
    public void Normal(ObjectReference involved, string reason, string message) => Record(involved, "Normal", reason, message);

    /// <summary>Writes what is recorded, until <paramref name="stop"/>.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        await foreach (var pending in _pending.Reader.ReadAllAsync(stop).ConfigureAwait(false))
        {
            try
            {
                await WriteAsync(pending, stop).ConfigureAwait(false);
                Interlocked.Increment(ref _written);
            }
            catch (KubernetesApiException e)
            {
                Interlocked.Increment(ref _dropped);
                Log.EventFailed(logger, pending.Reason, pending.Involved.Kind, pending.Involved.Name, e.Message);
            }
        }
    }

    private void Record(ObjectReference involved, string type, string reason, string message)
    {
        ArgumentNullException.ThrowIfNull(involved);
        ArgumentNullException.ThrowIfNull(message);
        if (message.Length > MessageLimit)
            message = message[..(MessageLimit - 1)] + '…';
        Repetition repetition;
        lock (_lock)
        {
            var key = new EventKey(involved.Id, reason);
            if (!_repetitions.TryGetValue(key, out repetition!))
            {
                if (_repetitions.Count >= Capacity)
                    _repetitions.Clear();
                _repetitions[key] = repetition = new Repetition(EventName(involved.Name), time.GetUtcNow());
            }
            else if (repetition.Message == message && time.GetElapsedTime(repetition.RecordedAt) < RepeatInterval)
            {
                repetition.Count++;
                return;
            }
            repetition.Count++;
            repetition.Message = message;
            repetition.RecordedAt = time.GetTimestamp();
        }
        if (_pending.Writer.TryWrite(new Pending(involved, type, reason, message, repetition)))
            return;
        Interlocked.Increment(ref _dropped);
        // The next time it is recorded there may be room.
        lock (_lock)
            repetition.Message = null;
    }

    private async Task WriteAsync(Pending pending, CancellationToken stop)
    {
        if (pending.Repetition.Created)
        {
            try
            {
                await api.PatchAsync(
                    $"{EventsPath}/{pending.Repetition.Name}", PatchOf(pending), EventJson.Default.EventDocument, Timeout, time, stop).ConfigureAwait(false);
                return;
            }
            catch (KubernetesApiException e) when (e.IsNotFound)
            {
                // The API server forgets Events after an hour: write it again.
            }
        }
        await api.WriteAsync(
            HttpMethod.Post, EventsPath, EventOf(pending), EventJson.Default.EventDocument, Timeout, time, stop).ConfigureAwait(false);
        pending.Repetition.Created = true;
    }

    private EventDocument PatchOf(Pending pending) =>
        new() { Count = pending.Repetition.Count, LastTimestamp = Format(time.GetUtcNow()), Message = pending.Message };

    private EventDocument EventOf(Pending pending) => new()
    {
        ApiVersion = "v1",
        Kind = "Event",
        Metadata = new EventMetadata(pending.Repetition.Name, EventNamespace),
        InvolvedObject = new EventObject(pending.Involved.ApiVersion, pending.Involved.Kind, pending.Involved.Name, pending.Involved.Uid),
        Type = pending.Type,
        Reason = pending.Reason,
        Message = pending.Message,
        Count = pending.Repetition.Count,
        FirstTimestamp = Format(pending.Repetition.First),
        LastTimestamp = Format(time.GetUtcNow()),
        Source = new EventSource(component),
        ReportingComponent = component,
        ReportingInstance = Environment.MachineName,
    };

    private static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);

    /// <summary>Unique as client-go makes it: the object's name and a number that does not repeat.</summary>
    private static string EventName(string involved)
    {
        const int NameLimit = 253;
        var suffix = $".{Random.Shared.NextInt64():x16}";
        return (involved.Length + suffix.Length > NameLimit ? involved[..(NameLimit - suffix.Length)] : involved) + suffix;
    }

    private readonly record struct EventKey(Guid Involved, string Reason);

    private sealed record Pending(ObjectReference Involved, string Type, string Reason, string Message, Repetition Repetition);

    private sealed class Repetition(string name, DateTimeOffset first)
    {
        public string Name => name;

        public DateTimeOffset First => first;

        public string? Message { get; set; }

        public int Count { get; set; }

        public long RecordedAt { get; set; }

        public bool Created { get; set; }
    }
}
