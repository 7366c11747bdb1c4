using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using RbdReplication.Ceph;
using RbdReplication.CephTests.Sandbox;
using RbdReplication.Core;
using RbdReplication.Tests.Deploy;
using RbdReplication.Tests.Page;
using RbdReplication.Tests.VolumeMetrics;

namespace RbdReplication.Tests.Browser;

/// <summary>One browser for all tests.</summary>
public sealed class SharedChromium : IAsyncLifetime
{
    private Chromium? _browser;

    public Chromium Browser => _browser!;

    public async ValueTask InitializeAsync() => _browser = await Chromium.StartAsync();

    public ValueTask DisposeAsync() => _browser?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>The page in a real browser (<c>make test-page</c>), with readings that the test makes.</summary>
public sealed class BrowserTests(SharedChromium shared) : IClassFixture<SharedChromium>
{
    private const string Names = "[...document.querySelectorAll('#rows .name')].map(node => node.textContent).join()";
    private const string Summary = "document.getElementById('summary').textContent";
    private const string Connection = "document.getElementById('connection-text').textContent";
    private const string Rows = "document.querySelectorAll('#rows tr').length";

    private Chromium Browser => shared.Browser;

    private static string Cell(int row, string column) => $"document.querySelectorAll('#rows tr')[{row}].querySelector('[data-c={column}]').textContent";

    private async Task OpenAsync(PageServer server, string? until = null)
    {
        await Browser.ResizeAsync(1400, 900);
        await Browser.OpenAsync(server.Address);
        await Browser.UntilAsync($"document.readyState === 'complete' && {until ?? $"{Connection} === 'Live'"}", "the page is live");
    }

    [Fact(Explicit = true)]
    public async Task Rows_come_worst_first_with_what_status_says_and_names_are_text_whatever_they_are()
    {
        await using var server = await PageServer.StartAsync();
        const string name = "<script>alert(1)</script><img src=x onerror=alert(2)>";
        server.Read(
            PageServer.Volume(1), PageServer.Volume(2, ReplicationHealth.Degraded, message: "behind: no snapshot"),
            PageServer.Volume(3, ReplicationHealth.Error, name, message: "both sites are primary: <b>demote</b>"));
        await OpenAsync(server);
        Assert.Equal($"{name},pvc-2,pvc-1", await Browser.TextAsync(Names));
        Assert.Equal("both sites are primary: <b>demote</b>", await Browser.TextAsync(Cell(0, "message")));
        Assert.Equal(("error", "primary", "following"), (await Browser.TextAsync(Cell(0, "health")), await Browser.TextAsync(Cell(0, "role")), await Browser.TextAsync(Cell(0, "peer"))));
        Assert.Matches("^9[0-9]s of 5m$", await Browser.TextAsync(Cell(2, "lag")));
        Assert.Matches("^yes to 20..-..-.. ..:..:.. UTC", await Browser.TextAsync(Cell(2, "safe")));
        Assert.StartsWith("no", await Browser.TextAsync(Cell(0, "safe")), StringComparison.Ordinal);
        Assert.Equal("3 volumes: 1 error, 1 degraded, 1 healthy; safe to fail over: 1", await Browser.TextAsync(Summary));
        Assert.Equal("0 1", await Browser.TextAsync("document.querySelectorAll('#rows script, #rows img, #rows b').length + ' ' + document.scripts.length"));
        Assert.Equal("path", await Browser.TextAsync("document.querySelector('#rows [data-c=hour] svg :last-child').tagName"));
        // Nothing was asked for elsewhere, and the policy kept the page from nothing that it wants.
        Assert.All(Browser.Requests, address => Assert.True(address.StartsWith("http://127.0.0.1:", StringComparison.Ordinal) || address is "data:," or "about:blank", address));
        Assert.Empty(Browser.Errors);
    }

    [Fact(Explicit = true)]
    public async Task Rows_are_sorted_by_mouse_and_keyboard_and_searched()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(
            PageServer.Volume(1, persistentVolume: "pvc-10", lagSeconds: 50), PageServer.Volume(2, persistentVolume: "pvc-9", lagSeconds: 500),
            PageServer.Volume(3, ReplicationHealth.Error, "pvc-2", lagSeconds: 100));
        await OpenAsync(server);
        Assert.Equal("pvc-2,pvc-9,pvc-10", await Browser.TextAsync(Names));
        Assert.Equal("descending", await Browser.TextAsync("document.querySelector('th[data-key=health]').getAttribute('aria-sort')"));
        await Browser.ValueAsync("document.querySelector('th[data-key=lag] button').click()");
        Assert.Equal("pvc-9,pvc-2,pvc-10", await Browser.TextAsync(Names));
        await Browser.ValueAsync("document.querySelector('th[data-key=name] button').focus()");
        await Browser.PressAsync("Enter", 13, "\r");
        Assert.Equal("pvc-2,pvc-9,pvc-10", await Browser.TextAsync(Names));
        await Browser.PressAsync(" ", 32, " ");
        Assert.Equal("pvc-10,pvc-9,pvc-2", await Browser.TextAsync(Names));
        Assert.Equal("name:descending", await Browser.TextAsync("[...document.querySelectorAll('th[aria-sort]')].map(th => th.dataset.key + ':' + th.getAttribute('aria-sort')).join()"));
        // The focus is to be seen.
        Assert.NotEqual("none", await Browser.TextAsync("getComputedStyle(document.activeElement).outlineStyle"));

        async Task ChooseAsync(string id, string value) => await Browser.ValueAsync(
            $"(() => {{ const field = document.getElementById('{id}'); field.value = '{value}'; field.dispatchEvent(new Event('input', {{ bubbles: true }})); }})()");
        await ChooseAsync("search", "PVC-1 site-a");
        Assert.Equal("pvc-10", await Browser.TextAsync(Names));
        Assert.Contains("; 1 as searched for", await Browser.TextAsync(Summary), StringComparison.Ordinal);
        await ChooseAsync("search", "8000-000000000002");
        Assert.Equal("pvc-9", await Browser.TextAsync(Names));
        await ChooseAsync("search", "");
        await ChooseAsync("health", "ill");
        Assert.Equal("pvc-2", await Browser.TextAsync(Names));
        await ChooseAsync("safe", "yes");
        Assert.Equal("", await Browser.TextAsync(Names));
        Assert.Equal("None is like that.", await Browser.TextAsync("document.getElementById('none').textContent"));
    }

    [Fact(Explicit = true)]
    public async Task A_volume_that_becomes_split_brain_while_one_looks_comes_first_and_one_that_is_gone_goes()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1), PageServer.Volume(2), PageServer.Volume(3));
        await OpenAsync(server);
        Assert.Equal("pvc-1,pvc-2,pvc-3", await Browser.TextAsync(Names));
        await Browser.ValueAsync("window.kept = document.querySelectorAll('#rows tr')[0]");
        server.Read(PageServer.Volume(1), PageServer.Volume(2, ReplicationHealth.Error, message: "site-b reports \"split-brain\" 3 s ago; resync the volume"));
        await Browser.UntilAsync($"{Names} === 'pvc-2,pvc-1'", "the volume in trouble comes first");
        Assert.Contains("split-brain", await Browser.TextAsync(Cell(0, "message")), StringComparison.Ordinal);
        Assert.Equal("2 volumes: 1 error, 1 healthy; safe to fail over: 1", await Browser.TextAsync(Summary));
        // What is the same stays, and with it focus and selection.
        Assert.Equal("true", await Browser.TextAsync("window.kept === document.querySelectorAll('#rows tr')[1]"));

        var end = new TaskCompletionSource();
        var volume = PageServer.Volume(1);
        var running = server.Gate.RunAsync(volume.Handle!, "demote", _ => end.Task, CancellationToken.None);
        await Browser.UntilAsync($"{Cell(1, "pending")}.startsWith('demote since ')", "what is under way shows");
        end.SetResult();
        await running;
        await Browser.UntilAsync($"{Cell(1, "pending")} === ''", "what has ended does not");
        server.Listings.Fail(Listed.Pool, "the listing before has not ended yet");
        await Browser.UntilAsync("!document.getElementById('problems').hidden", "what cannot be read shows");
        Assert.Matches("^pool replicapool of cluster site-a cannot be read since .*the listing before has not ended yet$", await Browser.TextAsync("document.getElementById('problem-list').textContent"));
    }

    [Fact(Explicit = true)]
    public async Task A_server_that_restarts_is_missed_and_found_again()
    {
        int port;
        await using (var server = await PageServer.StartAsync())
        {
            port = server.Port;
            server.Read(PageServer.Volume(1));
            await OpenAsync(server);
        }
        await Browser.UntilAsync($"{Connection}.startsWith('Without a connection to the server since 20')", "the page says that it has no connection");
        Assert.Equal("pvc-1", await Browser.TextAsync(Names));
        await using var next = await PageServer.StartAsync(port);
        next.Read(PageServer.Volume(2));
        await Browser.UntilAsync($"{Connection} === 'Live' && {Names} === 'pvc-2'", "it is live again, with what there is now");
    }

    [Fact(Explicit = true)]
    public async Task Beyond_the_limit_of_streams_the_page_asks_instead_and_says_so()
    {
        await using var server = await PageServer.StartAsync(maximumStreams: 0);
        server.Read(PageServer.Volume(1));
        await OpenAsync(server, $"{Names} === 'pvc-1'");
        Assert.Contains("--max-page-streams", await Browser.TextAsync(Connection), StringComparison.Ordinal);
    }

    [Fact(Explicit = true)]
    public async Task Of_ten_thousand_volumes_some_hundreds_are_in_the_table_wherever_one_is_and_a_reading_sends_only_what_is_new()
    {
        await using var server = await PageServer.StartAsync();
        var (begun, all) = (DateTimeOffset.UtcNow, Enumerable.Range(0, 10_000).Select(i => PageServer.Volume(i)).ToArray());
        void Say(string what) => TestContext.Current.TestOutputHelper?.WriteLine(what);
        // Every fifth has had a sync since; of the others the words tell another age.
        void Read(int seconds, params MirroredVolume[] changed)
        {
            var at = begun.AddSeconds(seconds);
            server.Listings.Put(Listed.Pool, Listed.At(at, [.. all.Select((volume, i) => volume with
            {
                Status = volume.Status with
                {
                    LastSyncTime = i % 5 == 0 ? at.AddSeconds(-90) : volume.Status.LastSyncTime,
                    Lag = TimeSpan.FromSeconds(i % 5 == 0 ? 90 : 90 + seconds),
                    Message = $"site-b reports \"replaying\" {(i + seconds) % 30} s ago: in step",
                },
            }), .. changed]));
        }

        Read(0);
        var started = Stopwatch.GetTimestamp();
        var state = server.Feed.Read();
        Say($"the state is {state.Whole.Length} bytes of JSON, {state.Whole.GzipLength} packed, made in {Stopwatch.GetElapsedTime(started).TotalMilliseconds:0} ms");
        Assert.InRange(state.Whole.GzipLength, 1, state.Whole.Length / 8);
        await OpenAsync(server, $"{Rows} > 0");
        Say($"it was seen after {await Browser.TextAsync("Math.round(performance.now())")} ms");
        Assert.Equal(("100", "10001"), (await Browser.TextAsync(Rows), await Browser.TextAsync("document.getElementById('table').getAttribute('aria-rowcount')")));

        await Browser.ValueAsync("document.getElementById('more').focus()");
        await Browser.PressAsync("Enter", 13, "\r");
        await Browser.UntilAsync($"{Rows} >= 200", "more are shown");
        const string last = "Number(document.getElementById('rows').lastChild.getAttribute('aria-rowindex'))";
        const string first = "Number(document.getElementById('rows').firstChild.getAttribute('aria-rowindex'))";
        await Browser.ValueAsync($"(() => {{ while ({last} < 1200) document.getElementById('more').click(); }})()");
        Assert.Equal("300", await Browser.TextAsync(Rows));
        Assert.True(await Browser.TextAsync($"{last} - {first}") == "299");
        // What one looks at stays where it is when those before are put in front of it.
        var moved = await Browser.TextAsync(
            "(() => { const row = document.getElementById('rows').firstChild;"
            + " document.getElementById('fewer').focus(); const at = row.getBoundingClientRect().top; document.getElementById('fewer').click(); return row.getBoundingClientRect().top - at; })()");
        Assert.InRange(double.Parse(moved, CultureInfo.InvariantCulture), -2, 2);
        await Browser.ValueAsync("(() => { while (!document.getElementById('fewer-line').hidden) { scrollTo(0, 0); document.getElementById('fewer').click(); } })()");
        Assert.Equal(("2", "rows"), (await Browser.TextAsync(first), await Browser.TextAsync("document.activeElement.id")));

        foreach (var typed in (string[])["p", "pvc-99", "pvc-9999"])
        {
            var milliseconds = await Browser.TextAsync(
                $"(() => {{ const field = document.getElementById('search'), at = performance.now(); field.value = '{typed}'; field.dispatchEvent(new Event('input')); document.body.offsetHeight; return Math.round(performance.now() - at); }})()");
            Say($"searched for \"{typed}\" and laid out within {milliseconds} ms");
        }
        Assert.Equal("pvc-9999", await Browser.TextAsync(Names));
        await Browser.ValueAsync("(() => { document.getElementById('search').value = ''; document.getElementById('search').dispatchEvent(new Event('input')); })()");

        Read(60, PageServer.Volume(10_000, ReplicationHealth.Error));
        state = server.Feed.Read();
        Say($"a reading sends {state.Changes.Length} bytes of JSON, {state.Changes.GzipLength} packed");
        Assert.InRange(state.Changes.GzipLength, 1, state.Whole.GzipLength / 2);
        await Browser.UntilAsync($"{Cell(0, "health")} === 'error' && {Cell(1, "health")} === 'healthy'", "the change is there");
        // pvc-0 has had a sync, pvc-1 not: its words and its lag are of this reading all the same.
        Assert.Equal(("pvc-0", "pvc-1"), (await Browser.TextAsync(Cell(1, "name").Replace("[data-c=name]", ".name", StringComparison.Ordinal)), await Browser.TextAsync(Cell(2, "name").Replace("[data-c=name]", ".name", StringComparison.Ordinal))));
        Assert.Contains("\"replaying\" 1 s ago", await Browser.TextAsync(Cell(2, "message")), StringComparison.Ordinal);
        Assert.EndsWith("last 90s", await Lag(1), StringComparison.Ordinal);
        Assert.EndsWith("last 2m", await Lag(2), StringComparison.Ordinal);

        async Task<string> Lag(int row) => await Browser.TextAsync($"document.querySelectorAll('#rows tr')[{row}].querySelector('svg').getAttribute('aria-label')");
    }

    [Fact(Explicit = true)]
    public async Task A_screen_reader_is_told_of_a_table_and_its_sorting_on_a_phone_as_well_and_nothing_is_cut_off()
    {
        await using var server = await PageServer.StartAsync();
        server.Read(PageServer.Volume(1, persistentVolume: "pvc-" + new string('x', 80)), PageServer.Volume(2, ReplicationHealth.Error, message: new string('y', 200)));
        await OpenAsync(server);
        foreach (var (width, isMobile) in ((int, bool)[])[(1400, false), (1210, false), (1000, false), (360, true)])
        {
            await Browser.ResizeAsync(width, 800, isMobile);
            var told = await Browser.AccessibleAsync();
            Assert.Contains(("table", "Replicated volumes and volume groups of this site"), told);
            Assert.Equal(3, told.Count(node => node.Role == "row"));
            Assert.Equal(9, told.Count(node => node.Role == "columnheader"));
            Assert.Contains(told, node => node.Role == "button" && node.Name.StartsWith("Health", StringComparison.Ordinal));
            Assert.Contains(told, node => node.Role is "image" or "img" && node.Name.StartsWith("lag of the last hour from ", StringComparison.Ordinal));
            Assert.Contains(told, node => node.Role == "searchbox" && node.Name == "Search");
            Assert.Equal("true", await Browser.TextAsync("document.scrollingElement.scrollWidth <= innerWidth"));
        }
        Assert.Equal("polite", await Browser.TextAsync("document.getElementById('summary').getAttribute('aria-live')"));
    }

    [Fact(Explicit = true)]
    public async Task It_is_dark_where_the_system_is()
    {
        await using var server = await PageServer.StartAsync();
        await OpenAsync(server);
        const string back = "getComputedStyle(document.body).backgroundColor";
        var light = await Browser.TextAsync(back);
        await Browser.ResizeAsync(1400, 900, isDark: true);
        Assert.Equal(("rgb(255, 255, 255)", "rgb(20, 23, 28)"), (light, await Browser.TextAsync(back)));
    }

    [Fact(Explicit = true)]
    public async Task The_picture_in_the_README_is_of_this_page()
    {
        await using var server = await PageServer.StartAsync();
        var time = DateTimeOffset.UtcNow.AddMinutes(-59);
        for (; time <= DateTimeOffset.UtcNow; time += TimeSpan.FromMinutes(1))
            server.Listings.Put(Listed.Pool, Fleet(time));
        server.Listings.Fail(Listed.InUse("archive"), "cluster site-a did not answer within 30 s");
        await OpenAsync(server, "document.querySelectorAll('#rows tr').length === 9");
        await Browser.ResizeAsync(1280, 840);
        var picture = await Browser.PictureAsync();
        Assert.Equal(1280, BinaryPrimitives.ReadInt32BigEndian(picture.AsSpan(16)));
        Assert.InRange(picture.Length, 20_000, 400_000);
        if (Environment.GetEnvironmentVariable(MetricsPage.Variable) is { Length: > 0 })
            await File.WriteAllBytesAsync(Path.Combine(Manifests.Repository, "docs", "page.png"), picture);
        Assert.True(File.Exists(Path.Combine(Manifests.Repository, "docs", "page.png")), $"docs/page.png is missing; to take it, run this test with {MetricsPage.Variable}=1");
    }

    // Judged as real ones are, from what daemons report.
    private static PoolListing Fleet(DateTimeOffset at)
    {
        var sites = new MirrorSites("site-a", [new MirrorPeerSite("1", "site-b", "uuid-b", MirrorPeerDirection.Both, at)]);
        MirroredVolume Volume(int number, string name, string interval, TimeSpan lag, string own = "local image is primary", MirrorStatusState ownState = MirrorStatusState.Stopped,
            MirrorStatusState peerState = MirrorStatusState.Replaying, string? peer = null, bool peerIsUp = true)
        {
            var uuid = $"{number:x8}-18fb-4aeb-a903-0242ac110005";
            var synced = (at - lag).ToUnixTimeSeconds();
            var figures = $$"""replaying, {"local_snapshot_timestamp":{{synced}},"remote_snapshot_timestamp":{{synced}},"replay_state":"idle"}""";
            var status = ImageStatus.Of(
                $"id-{number}",
                new ImageReports(
                    new MirrorGlobalStatus($"csi-vol-{uuid}", new MirrorImageInfo("global", MirrorImageState.Enabled, IsPrimary: false),
                        [new("", ownState, own == "" ? figures : own, at.AddSeconds(-9), IsUp: true), new("uuid-b", peerState, peer ?? figures, at.AddSeconds(-14), peerIsUp)]),
                    sites, [new(interval, null)]),
                at);
            return new MirroredVolume(new VolumeHandle("site-a", 2, uuid), name, "replicapool", "", status);
        }

        var minute = at.ToUnixTimeSeconds() / 60;
        TimeSpan Saw(long every, long from = 20) => TimeSpan.FromSeconds((minute % every * 60) + from);
        MirroredVolume[] volumes =
        [
            Volume(0x1a2b, "pvc-billing-ledger", "5m", Saw(5), peerState: MirrorStatusState.Error, peer: "split-brain"),
            Volume(0x2b3c, "pvc-orders-wal", "5m", TimeSpan.FromMinutes(23)),
            Volume(0x3c4d, "pvc-orders-data", "5m", Saw(5)), Volume(0x4d5e, "pvc-search-index", "15m", Saw(15)), Volume(0x5e6f, "pvc-media-0", "1h", Saw(60)),
            Volume(0x6f70, "pvc-media-1", "1h", Saw(60, 45)),
            Volume(0x7081, "pvc-mail-spool", "5m", Saw(5), own: "", ownState: MirrorStatusState.Replaying, peerState: MirrorStatusState.Stopped, peer: "local image is primary"),
            Volume(0x8192, "pvc-wiki", "15m", Saw(15, 70)),
        ];
        IReadOnlyList<ImageStatus> members = [volumes[2].Status, volumes[3].Status];
        var group = GroupStatus.Of(
            new VolumeHandle("site-a", 2, "5a2b3c4d-1e2f-4a5b-8c9d-0e1f2a3b4c5d"), "orders", "replicapool", "", 2, [.. members.Select(member => member.Health)],
            new GroupState(WantedRole.Primary, new("15m", null)) { Generation = 118, Taken = 118, TakenAt = at - Saw(15, 80) }, null, at);
        return Listed.At(at, volumes) with { Groups = [group with { Failover = FailoverSafety.Of(group, members) }] };
    }
}
