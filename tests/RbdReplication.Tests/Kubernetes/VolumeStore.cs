using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;

namespace RbdReplication.Tests.Kubernetes;

/// <summary>The objects of one kind of an <see cref="ApiServerStandIn"/>, their history, and the watches on them.</summary>
public sealed class VolumeStore(string kind)
{
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, (long Version, string Json)> _volumes = new(StringComparer.Ordinal);
    private readonly List<(long Version, string Line)> _history = [];
    private readonly Dictionary<string, (string[] Volumes, long Version)> _continuations = [];
    private readonly List<Channel<string?>> _watches = [];
    private long _version = 1;
    private long _compacted;

    /// <summary>Ends a watch's response in the middle of an event.</summary>
    private const string Abort = "\0abort";

    public Func<long> NextVersion { get; set; } = () => throw new InvalidOperationException();

    /// <summary>Whether a watch from a version that is gone is answered with HTTP 410, or with 200 and an ERROR event.</summary>
    public bool GoneAsStatus { get; set; }

    public int Watches
    {
        get
        {
            lock (_lock)
                return _watches.Count;
        }
    }

    public long Version
    {
        get
        {
            lock (_lock)
                return _version;
        }
    }

    public void Put(JsonObject volume)
    {
        lock (_lock)
        {
            var name = (string)volume["metadata"]!["name"]!;
            var type = _volumes.ContainsKey(name) ? "MODIFIED" : "ADDED";
            _version = NextVersion();
            volume["metadata"]!["resourceVersion"] = _version.ToString(CultureInfo.InvariantCulture);
            var json = volume.ToJsonString();
            _volumes[name] = (_version, json);
            Publish(type, json);
        }
    }

    public void Delete(string name)
    {
        lock (_lock)
        {
            _volumes.Remove(name, out var volume);
            _version = NextVersion();
            var json = JsonNode.Parse(volume.Json)!;
            json["metadata"]!["resourceVersion"] = _version.ToString(CultureInfo.InvariantCulture);
            Publish("DELETED", json.ToJsonString());
        }
    }

    /// <summary>Forgets all history and all continue tokens, as etcd does after five minutes.</summary>
    public void Compact()
    {
        lock (_lock)
        {
            _version = _compacted = NextVersion();
            _history.Clear();
            _continuations.Clear();
        }
    }

    /// <summary>Sends a line to every watch, whatever it is.</summary>
    public void Send(string line)
    {
        lock (_lock)
        {
            foreach (var watch in _watches)
                watch.Writer.TryWrite(line);
        }
    }

    public void SendBookmark()
    {
        lock (_lock)
        {
            _version = NextVersion();
            Send($$$$"""{"type":"BOOKMARK","object":{"kind":"{{{{kind}}}}","metadata":{"resourceVersion":"{{{{_version}}}}","creationTimestamp":null},"spec":{},"status":{}}}""" + "\n");
        }
    }

    /// <summary>Ends every watch: in order, or by breaking the connection.</summary>
    public void EndWatches(bool abort)
    {
        lock (_lock)
        {
            if (abort)
                Send(Abort);
            foreach (var watch in _watches)
                watch.Writer.TryComplete();
            _watches.Clear();
        }
    }

    internal Task AnswerAsync(HttpContext context) =>
        context.Request.Query.ContainsKey("watch") ? WatchAsync(context) : ListAsync(context);

    private void Publish(string type, string json)
    {
        var line = $$"""{"type":"{{type}}","object":{{json}}}""" + "\n";
        _history.Add((_version, line));
        Send(line);
    }

    private async Task ListAsync(HttpContext context)
    {
        var limit = int.Parse(context.Request.Query["limit"].FirstOrDefault() ?? "2147483647", CultureInfo.InvariantCulture);
        string[] page;
        string next = "";
        long version;
        var remaining = 0;
        lock (_lock)
        {
            string[] all;
            if (context.Request.Query["continue"].FirstOrDefault() is { Length: > 0 } token)
            {
                if (!_continuations.Remove(token, out var continuation))
                {
                    all = [];
                    version = -1;
                }
                else
                {
                    (all, version) = continuation;
                }
            }
            else
            {
                all = [.. _volumes.Values.Select(v => v.Json)];
                version = _version;
            }
            page = [.. all.Take(limit)];
            if (all.Length > limit)
            {
                next = Guid.NewGuid().ToString("N") + "==";
                remaining = all.Length - limit;
                _continuations[next] = (all[limit..], version);
            }
        }
        if (version < 0)
        {
            await ApiServerStandIn.WriteAsync(context, 410, ApiServerStandIn.Status(410, "Expired", "The provided continue parameter is too old"));
            return;
        }
        var text = new StringBuilder()
            .Append($$$"""{"kind":"{{{kind}}}List","metadata":{"resourceVersion":"{{{version}}}","continue":"{{{next}}}","remainingItemCount":{{{remaining}}}},"items":[""")
            .AppendJoin(',', page).Append("]}");
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(text.ToString(), context.RequestAborted);
    }

    private async Task WatchAsync(HttpContext context)
    {
        var from = long.Parse(context.Request.Query["resourceVersion"].First()!, CultureInfo.InvariantCulture);
        var watch = Channel.CreateUnbounded<string?>();
        bool gone;
        lock (_lock)
        {
            gone = from < _compacted;
            if (!gone)
            {
                foreach (var (version, line) in _history.Where(h => h.Version > from))
                    watch.Writer.TryWrite(line);
                _watches.Add(watch);
            }
        }
        if (gone)
        {
            var expired = ApiServerStandIn.Status(410, "Expired", $"too old resource version: {from} ({_compacted})");
            if (GoneAsStatus)
                await ApiServerStandIn.WriteAsync(context, 410, expired);
            else
                await context.Response.WriteAsync($$"""{"type":"ERROR","object":{{expired.ToJsonString()}}}""" + "\n");
            return;
        }
        context.Response.ContentType = "application/json;stream=watch";
        await context.Response.StartAsync();
        try
        {
            await foreach (var line in watch.Reader.ReadAllAsync(context.RequestAborted))
            {
                if (line == Abort)
                {
                    context.Abort();
                    return;
                }
                await context.Response.WriteAsync(line!, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
        catch (OperationCanceledException)
        {
            // The client went away.
        }
        finally
        {
            lock (_lock)
                _watches.Remove(watch);
        }
    }
}
