using System.IO.Compression;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using RbdReplication.Core;
using RbdReplication.Csi.Page;
using RbdReplication.Tests.VolumeMetrics;

namespace RbdReplication.Tests.Page;

public sealed class PageEndpointTests
{
    private static readonly Uri Volumes = new(PageEndpoint.VolumesPath, UriKind.Relative);
    private static readonly Uri Events = new(PageEndpoint.EventsPath, UriKind.Relative);

    private static async Task<JsonElement> ReadAsync(PageServer server) => JsonDocument.Parse(await server.Http.GetStringAsync(Volumes)).RootElement;

    [Fact]
    public async Task The_JSON_has_a_row_for_each_volume_with_what_status_says_of_it()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1), PageServer.Volume(2, ReplicationHealth.Error, "pvc-two", message: "both sites are primary"));
        var document = await ReadAsync(server);
        var rows = document.GetProperty("volumes").EnumerateArray().ToList();
        Assert.Equal(["pvc-two", "pvc-1"], rows.Select(row => row.GetProperty("persistentVolume").GetString()));
        var (ill, well) = (rows[0], rows[1]);
        Assert.Equal(("error", "primary", "both sites are primary", 3), (Text(ill, "health"), Text(ill, "role"), Text(ill, "message"), ill.GetProperty("severity").GetInt32()));
        Assert.Equal("0001-0006-site-a-0000000000000002-00000000-0000-4000-8000-000000000002", Text(ill, "volumeHandle"));
        Assert.Equal((false, true), (ill.GetProperty("isSafeToFailOver").GetBoolean(), well.GetProperty("isSafeToFailOver").GetBoolean()));
        Assert.Equal(Text(well, "lastSyncTime"), Text(well, "failoverInstant"));
        Assert.Equal((300d, "5m", "following"), (well.GetProperty("scheduleIntervalSeconds").GetDouble(), well.GetProperty("schedules")[0].GetString(), Text(well, "peer")));
        var history = well.GetProperty("lagOfLastHour").EnumerateArray().ToList();
        Assert.Equal((60, 90, JsonValueKind.Null), (history.Count, history[59].GetInt32(), history[0].ValueKind));
        Assert.False(well.TryGetProperty("pending", out _));

        static string? Text(JsonElement row, string name) => row.GetProperty(name).GetString();
    }

    [Fact]
    public async Task Drills_are_told_the_oldest_first_and_of_a_volume_the_newest_point_that_could_be_drilled()
    {
        await using var server = await PageServer.StartAsync();
        var now = DateTimeOffset.UtcNow;
        var volume = PageServer.Volume(1);
        volume = volume with { Status = volume.Status with { DrillableTime = now.AddMinutes(-7) } };
        server.Listings.Put(Listed.Pool, Listed.At(now, volume) with { Drills = [new DrillEntry("q4", now.AddDays(-1)), new DrillEntry("q3", now.AddDays(-90))] });
        var document = await ReadAsync(server);
        Assert.Equal(["q3", "q4"], document.GetProperty("drills").EnumerateArray().Select(drill => drill.GetProperty("name").GetString()));
        Assert.Equal(now.AddDays(-90), document.GetProperty("drills")[0].GetProperty("createdAt").GetDateTimeOffset());
        Assert.Equal(now.AddMinutes(-7), document.GetProperty("volumes")[0].GetProperty("newestPointAt").GetDateTimeOffset());
    }

    [Fact]
    public async Task What_is_under_way_shows_at_its_volume_by_either_sites_handle()
    {
        await using var server = await PageServer.StartAsync();
        var volume = PageServer.Volume(1);
        server.Read(volume, PageServer.Volume(2));
        var end = new TaskCompletionSource();
        var running = server.Gate.RunAsync(volume.Handle! with { ClusterId = "site-b", PoolId = 7 }, "demote", _ => end.Task, CancellationToken.None);
        var rows = (await ReadAsync(server)).GetProperty("volumes").EnumerateArray().ToList();
        var pending = Assert.Single(rows, row => row.TryGetProperty("pending", out _)).GetProperty("pending");
        Assert.Equal(("demote", JsonValueKind.Null), (pending.GetProperty("operation").GetString(), pending.GetProperty("overdueSince").ValueKind));
        end.SetResult();
        await running;
        Assert.DoesNotContain((await ReadAsync(server)).GetProperty("volumes").EnumerateArray(), row => row.TryGetProperty("pending", out _));
    }

    [Fact]
    public async Task A_pool_that_cannot_be_read_says_why_and_keeps_its_rows_with_their_age()
    {
        await using var server = await PageServer.StartAsync();
        server.Listings.Put(Listed.Pool, Listed.At(DateTimeOffset.UtcNow.AddMinutes(-10), PageServer.Volume(1)));
        server.Listings.Fail(Listed.Pool, "the listing before has not ended yet");
        server.Listings.Fail(Listed.InUse("other"), "no such pool");
        var document = await ReadAsync(server);
        var pools = document.GetProperty("pools").EnumerateArray().ToDictionary(pool => pool.GetProperty("pool").GetString()!);
        Assert.Equal(("no such pool", JsonValueKind.Null), (pools["other"].GetProperty("problem").GetString(), pools["other"].GetProperty("readAt").ValueKind));
        Assert.Equal("the listing before has not ended yet", pools["replicapool"].GetProperty("problem").GetString());
        Assert.InRange(pools["replicapool"].GetProperty("readAt").GetDateTimeOffset(), DateTimeOffset.UtcNow.AddMinutes(-11), DateTimeOffset.UtcNow.AddMinutes(-9));
        Assert.Single(document.GetProperty("volumes").EnumerateArray());
        server.Read(PageServer.Volume(1));
        Assert.Equal(JsonValueKind.Null, (await ReadAsync(server)).GetProperty("pools").EnumerateArray().Single(pool => pool.GetProperty("pool").GetString() == "replicapool").GetProperty("problem").ValueKind);
    }

    [Fact]
    public async Task Beyond_the_limit_of_rows_the_healthiest_are_left_out_and_counted()
    {
        await using var server = await PageServer.StartAsync(maximumVolumes: 2);
        server.Read(PageServer.Volume(1), PageServer.Volume(2), PageServer.Volume(3, ReplicationHealth.Degraded));
        var document = await ReadAsync(server);
        Assert.Equal(["pvc-3", "pvc-1"], document.GetProperty("volumes").EnumerateArray().Select(row => row.GetProperty("persistentVolume").GetString()));
        Assert.Equal(1, document.GetProperty("leftOut").GetInt32());
    }

    [Theory]
    [InlineData("/")]
    [InlineData(PageEndpoint.VolumesPath)]
    [InlineData(PageEndpoint.EventsPath)]
    public async Task Nothing_but_reading_is_allowed_and_nothing_is_stored_framed_or_taken_for_something_else(string path)
    {
        await using var server = await PageServer.StartAsync();
        foreach (var method in (HttpMethod[])[HttpMethod.Post, HttpMethod.Put, HttpMethod.Delete, HttpMethod.Patch])
        {
            using var refused = await server.Http.SendAsync(new HttpRequestMessage(method, path));
            Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
        }
        using var head = await server.Http.SendAsync(new HttpRequestMessage(HttpMethod.Head, path));
        Assert.Equal(HttpStatusCode.OK, head.StatusCode);
        string Header(string name) => string.Join(',', head.Headers.GetValues(name));
        Assert.Equal(("no-store", "nosniff", "no-referrer", "DENY"), (Header("Cache-Control"), Header("X-Content-Type-Options"), Header("Referrer-Policy"), Header("X-Frame-Options")));
        Assert.StartsWith("default-src 'none'", Header("Content-Security-Policy"), StringComparison.Ordinal);
        Assert.DoesNotContain("unsafe", Header("Content-Security-Policy"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_page_is_one_document_that_names_no_other_place()
    {
        await using var server = await PageServer.StartAsync();
        var page = await server.Http.GetStringAsync(new Uri("/", UriKind.Relative));
        Assert.DoesNotContain("https:", page, StringComparison.Ordinal);
        Assert.DoesNotContain("innerHTML", page, StringComparison.Ordinal);
        // The namespace of SVG is a name, not an address that is asked for.
        Assert.Equal(["http://www.w3.org/2000/svg"], page.Split('"').Where(text => text.StartsWith("http:", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_stream_begins_with_the_whole_state_and_goes_on_with_what_is_new()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1), PageServer.Volume(2));
        server.Listings.Put(Listed.InUse("other"), Listed.In("other", DateTimeOffset.UtcNow, PageServer.Volume(3)));
        using var events = await EventReader.OpenAsync(server.Http);
        var state = (await events.NextAsync())!.Value;
        Assert.Equal(("state", 3), (state.Name, state.Data.GetProperty("volumes").GetArrayLength()));
        server.Read(PageServer.Volume(2, ReplicationHealth.Error));
        var changes = (await events.NextAsync())!.Value;
        Assert.Equal("changes", changes.Name);
        var row = Assert.Single(changes.Data.GetProperty("volumes").EnumerateArray());
        Assert.Equal(("pvc-2", "error"), (row.GetProperty("persistentVolume").GetString(), row.GetProperty("health").GetString()));
        Assert.EndsWith("000000000001", Assert.Single(changes.Data.GetProperty("removed").EnumerateArray()).GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_a_row_that_has_only_aged_a_change_has_the_words_and_of_one_that_says_the_same_nothing()
    {
        await using var server = await PageServer.StartAsync();
        var (aged, same, synced) = (PageServer.Volume(1), PageServer.Volume(2), PageServer.Volume(3));
        server.Read(aged, same, synced);
        using var events = await EventReader.OpenAsync(server.Http);
        await events.NextAsync();
        static MirroredVolume With(MirroredVolume volume, Func<ImageStatus, ImageStatus> change) => volume with { Status = change(volume.Status) };
        server.Read(
            With(aged, status => status with { Lag = TimeSpan.FromSeconds(150), Message = "site-b reports \"replaying\" 7 s ago: in step" }),
            With(same, status => status with { Lag = TimeSpan.FromSeconds(150), Schedules = [new ReplicationSchedule("5m", null)] }),
            With(synced, status => status with { LastSyncTime = status.LastSyncTime!.Value.AddSeconds(60) }));
        var changes = (await events.NextAsync())!.Value.Data;
        Assert.Equal("pvc-3", Assert.Single(changes.GetProperty("volumes").EnumerateArray()).GetProperty("persistentVolume").GetString());
        var words = Assert.Single(changes.GetProperty("words").EnumerateArray());
        Assert.EndsWith("000000000001", words.GetProperty("id").GetString(), StringComparison.Ordinal);
        Assert.Equal("site-b reports \"replaying\" 7 s ago: in step", words.GetProperty("message").GetString());
        Assert.False(words.TryGetProperty("failoverReason", out _));
    }

    [Theory]
    [InlineData("/")]
    [InlineData(PageEndpoint.VolumesPath)]
    public async Task Who_takes_gzip_gets_the_same_compressed(string path)
    {
        await using var server = await PageServer.StartAsync();
        server.Read([.. Enumerable.Range(0, 500).Select(i => PageServer.Volume(i))]);
        var plain = await server.Http.GetByteArrayAsync(new Uri(path, UriKind.Relative));
        foreach (var (accepted, isPacked) in ((string, bool)[])[("gzip, deflate, br", true), ("br;q=1.0, GZIP;q=0.5", true), ("gzip;q=0", false), ("identity", false), ("*", false)])
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation("Accept-Encoding", accepted);
            using var answer = await server.Http.SendAsync(request);
            var bytes = await answer.Content.ReadAsByteArrayAsync();
            Assert.Equal((isPacked, "Accept-Encoding"), (answer.Content.Headers.ContentEncoding.Contains("gzip"), string.Join(',', answer.Headers.Vary)));
            Assert.Equal(isPacked, bytes.Length < plain.Length / 2);
            if (isPacked)
            {
                using var unpacked = new MemoryStream();
                await using (var gzip = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress))
                    await gzip.CopyToAsync(unpacked);
                bytes = unpacked.ToArray();
            }
            Assert.Equal(plain, bytes);
        }
    }

    [Fact]
    public async Task A_stream_that_is_compressed_has_the_same_events_each_as_soon_as_it_is_sent()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1));
        using var request = new HttpRequestMessage(HttpMethod.Get, PageEndpoint.EventsPath);
        request.Headers.AcceptEncoding.ParseAdd("gzip");
        using var answer = await server.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("gzip", Assert.Single(answer.Content.Headers.ContentEncoding));
        using var events = new EventReader(answer, new StreamReader(new GZipStream(await answer.Content.ReadAsStreamAsync(), CompressionMode.Decompress)));
        Assert.Equal("state", (await events.NextAsync())!.Value.Name);
        for (var i = 2; i < 5; i++)
        {
            server.Read(PageServer.Volume(i, persistentVolume: "pvc-ä"));
            var changes = (await events.NextAsync())!.Value;
            Assert.Equal(("changes", "pvc-ä"), (changes.Name, changes.Data.GetProperty("volumes")[0].GetProperty("persistentVolume").GetString()));
        }
    }

    [Fact]
    public void What_all_readers_of_a_state_get_is_written_once()
    {
        var listings = new LastListings(Listed.Interval, TimeProvider.System);
        var feed = new FleetFeed(listings, new VolumeGate(TimeProvider.System), Listed.Options(100));
        listings.Put(Listed.Pool, Listed.At(DateTimeOffset.UtcNow, PageServer.Volume(1)));
        Assert.Same(feed.Read().Whole, feed.Read().Whole);
        Assert.Same(feed.Read().Changes, feed.Read().Changes);
        var before = feed.Read();
        listings.Put(Listed.Pool, Listed.At(DateTimeOffset.UtcNow, PageServer.Volume(1)));
        Assert.Equal(before.Version + 1, feed.Read().Version);
    }

    [Fact]
    public async Task Streams_beyond_the_limit_are_told_to_come_later_and_those_that_end_make_room()
    {
        await using var server = await PageServer.StartAsync(maximumStreams: 2);
        using var first = await EventReader.OpenAsync(server.Http);
        using (await EventReader.OpenAsync(server.Http))
        {
            using var refused = await server.Http.GetAsync(Events);
            Assert.Equal((HttpStatusCode.ServiceUnavailable, TimeSpan.FromSeconds(30)), (refused.StatusCode, refused.Headers.RetryAfter?.Delta));
            // The JSON goes on being there.
            await ReadAsync(server);
        }
        await CephTests.Sandbox.Eventually.TrueAsync(
            async () =>
            {
                using var again = await server.Http.GetAsync(Events, HttpCompletionOption.ResponseHeadersRead);
                return again.StatusCode == HttpStatusCode.OK;
            },
            "there is room again");
    }

    [Fact]
    public async Task A_reader_that_is_slow_gets_the_newest_state_and_none_of_those_between()
    {
        await using var server = await PageServer.StartAsync();
        // More than the buffers of two sockets hold.
        var many = Enumerable.Range(0, 20_000).Select(i => PageServer.Volume(i)).ToArray();
        server.Read(many);
        using var client = new TcpClient { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(IPAddress.Loopback, server.Port);
        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes($"GET {PageEndpoint.EventsPath} HTTP/1.0\r\nHost: x\r\n\r\n"));
        using var reader = new StreamReader(client.GetStream(), Encoding.UTF8);
        while (await reader.ReadLineAsync() != "event: state")
        {
        }
        for (var i = 0; i < 5; i++)
        {
            server.Read([.. many.Take(3), PageServer.Volume(100_000 + i)]);
            server.Feed.Read();
        }
        List<string> next = [];
        while (next.Count < 2)
        {
            if (await reader.ReadLineAsync() is { } line && (next.Count > 0 || line is "event: state" or "event: changes"))
                next.Add(line);
        }
        Assert.Equal("event: state", next[0]);
        Assert.Contains("pvc-100004", next[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_stops_ends_its_streams()
    {
        var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1));
        using var events = await EventReader.OpenAsync(new HttpClient { BaseAddress = server.Address });
        Assert.NotNull(await events.NextAsync());
        var stopping = server.DisposeAsync();
        Assert.Null(await events.NextAsync());
        await stopping;
    }
}
