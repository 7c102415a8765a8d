;; c += a·bᵀ in WebAssembly, four numbers at a time: what `products.js` does in JavaScript, to the same interface.
;;
;; Rows begin at $a, $b and $c and are $aStep, $bStep and $cStep apart, all in bytes; $m rows of a and $n rows of b hold
;; $k numbers each. Two rows of a meet four of b at a time, so that six loads serve eight products. At the edges the
;; last row stands in for those that are missing: computed twice, it gives the same. All rows of a meet four of b before
;; the next four are read: b are the weights, more than a cache holds.
(module
  (memory (import "js" "memory") 1)

  (func $least (param $x i32) (param $y i32) (result i32)
    (select (local.get $x) (local.get $y) (i32.lt_s (local.get $x) (local.get $y))))

  (func (export "addProducts")
    (param $a i32) (param $aStep i32) (param $m i32)
    (param $b i32) (param $bStep i32) (param $n i32)
    (param $c i32) (param $cStep i32) (param $k i32)
    (local $i i32) (local $j i32) (local $x i32) (local $fours i32) (local $all i32)
    (local $p i32) (local $q i32) (local $pc i32) (local $qc i32)
    (local $r i32) (local $s i32) (local $t i32) (local $u i32)
    (local $j0 i32) (local $j1 i32) (local $j2 i32) (local $j3 i32)
    (local $va v128) (local $vb v128) (local $vr v128) (local $vs v128) (local $vt v128) (local $vu v128)
    (local $pr v128) (local $ps v128) (local $pt v128) (local $pu v128)
    (local $qr v128) (local $qs v128) (local $qt v128) (local $qu v128)
    (local.set $all (i32.shl (local.get $k) (i32.const 2)))
    (local.set $fours (i32.and (local.get $all) (i32.const -16)))
    (loop $columns
      (local.set $j1 (call $least (i32.add (local.get $j) (i32.const 1)) (i32.sub (local.get $n) (i32.const 1))))
      (local.set $j2 (call $least (i32.add (local.get $j) (i32.const 2)) (i32.sub (local.get $n) (i32.const 1))))
      (local.set $j3 (call $least (i32.add (local.get $j) (i32.const 3)) (i32.sub (local.get $n) (i32.const 1))))
      (local.set $r (i32.add (local.get $b) (i32.mul (local.get $j) (local.get $bStep))))
      (local.set $s (i32.add (local.get $b) (i32.mul (local.get $j1) (local.get $bStep))))
      (local.set $t (i32.add (local.get $b) (i32.mul (local.get $j2) (local.get $bStep))))
      (local.set $u (i32.add (local.get $b) (i32.mul (local.get $j3) (local.get $bStep))))
      (local.set $j1 (i32.shl (local.get $j1) (i32.const 2))) (local.set $j2 (i32.shl (local.get $j2) (i32.const 2)))
      (local.set $j3 (i32.shl (local.get $j3) (i32.const 2))) (local.set $j0 (i32.shl (local.get $j) (i32.const 2)))
      (local.set $i (i32.const 0))
      (loop $rows
        (local.set $p (i32.add (local.get $a) (i32.mul (local.get $i) (local.get $aStep))))
        (local.set $pc (i32.add (local.get $c) (i32.mul (local.get $i) (local.get $cStep))))
        (local.set $x (call $least (i32.add (local.get $i) (i32.const 1)) (i32.sub (local.get $m) (i32.const 1))))
        (local.set $q (i32.add (local.get $a) (i32.mul (local.get $x) (local.get $aStep))))
        (local.set $qc (i32.add (local.get $c) (i32.mul (local.get $x) (local.get $cStep))))
        (local.set $pr (v128.const i32x4 0 0 0 0)) (local.set $ps (v128.const i32x4 0 0 0 0))
        (local.set $pt (v128.const i32x4 0 0 0 0)) (local.set $pu (v128.const i32x4 0 0 0 0))
        (local.set $qr (v128.const i32x4 0 0 0 0)) (local.set $qs (v128.const i32x4 0 0 0 0))
        (local.set $qt (v128.const i32x4 0 0 0 0)) (local.set $qu (v128.const i32x4 0 0 0 0))
        (local.set $x (i32.const 0))
        (block $done
          (loop $four
            (br_if $done (i32.ge_s (local.get $x) (local.get $fours)))
            (local.set $va (v128.load (i32.add (local.get $p) (local.get $x))))
            (local.set $vb (v128.load (i32.add (local.get $q) (local.get $x))))
            (local.set $vr (v128.load (i32.add (local.get $r) (local.get $x))))
            (local.set $vs (v128.load (i32.add (local.get $s) (local.get $x))))
            (local.set $vt (v128.load (i32.add (local.get $t) (local.get $x))))
            (local.set $vu (v128.load (i32.add (local.get $u) (local.get $x))))
            (local.set $pr (f32x4.add (local.get $pr) (f32x4.mul (local.get $va) (local.get $vr))))
            (local.set $ps (f32x4.add (local.get $ps) (f32x4.mul (local.get $va) (local.get $vs))))
            (local.set $pt (f32x4.add (local.get $pt) (f32x4.mul (local.get $va) (local.get $vt))))
            (local.set $pu (f32x4.add (local.get $pu) (f32x4.mul (local.get $va) (local.get $vu))))
            (local.set $qr (f32x4.add (local.get $qr) (f32x4.mul (local.get $vb) (local.get $vr))))
            (local.set $qs (f32x4.add (local.get $qs) (f32x4.mul (local.get $vb) (local.get $vs))))
            (local.set $qt (f32x4.add (local.get $qt) (f32x4.mul (local.get $vb) (local.get $vt))))
            (local.set $qu (f32x4.add (local.get $qu) (f32x4.mul (local.get $vb) (local.get $vu))))
            (local.set $x (i32.add (local.get $x) (i32.const 16)))
            (br $four)))
        ;; the sums of four vectors, side by side, for either row of a
        (local.set $va (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $pr) (local.get $ps))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $pr) (local.get $ps))))
        (local.set $vb (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $pt) (local.get $pu))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $pt) (local.get $pu))))
        (local.set $pr (f32x4.add
          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $va) (local.get $vb))
          (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $va) (local.get $vb))))
        (local.set $va (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $qr) (local.get $qs))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $qr) (local.get $qs))))
        (local.set $vb (f32x4.add
          (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $qt) (local.get $qu))
          (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31 (local.get $qt) (local.get $qu))))
        (local.set $qr (f32x4.add
          (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23 (local.get $va) (local.get $vb))
          (i8x16.shuffle 8 9 10 11 12 13 14 15 24 25 26 27 28 29 30 31 (local.get $va) (local.get $vb))))
        (block $over
          (loop $one ;; what is left of a row: up to three numbers
            (br_if $over (i32.ge_s (local.get $x) (local.get $all)))
            (local.set $vr
              (v128.load32_lane 3 (i32.add (local.get $u) (local.get $x))
                (v128.load32_lane 2 (i32.add (local.get $t) (local.get $x))
                  (v128.load32_lane 1 (i32.add (local.get $s) (local.get $x))
                    (v128.load32_zero (i32.add (local.get $r) (local.get $x)))))))
            (local.set $pr (f32x4.add (local.get $pr)
              (f32x4.mul (v128.load32_splat (i32.add (local.get $p) (local.get $x))) (local.get $vr))))
            (local.set $qr (f32x4.add (local.get $qr)
              (f32x4.mul (v128.load32_splat (i32.add (local.get $q) (local.get $x))) (local.get $vr))))
            (local.set $x (i32.add (local.get $x) (i32.const 4)))
            (br $one)))
        ;; all places of c are read before one is written: some may be the same
        (if (i32.lt_s (i32.add (local.get $j) (i32.const 3)) (local.get $n))
          (then
            (local.set $pr (f32x4.add (local.get $pr) (v128.load (i32.add (local.get $pc) (local.get $j0)))))
            (local.set $qr (f32x4.add (local.get $qr) (v128.load (i32.add (local.get $qc) (local.get $j0)))))
            (v128.store (i32.add (local.get $pc) (local.get $j0)) (local.get $pr))
            (v128.store (i32.add (local.get $qc) (local.get $j0)) (local.get $qr)))
          (else
            (local.set $pr (f32x4.add (local.get $pr)
              (v128.load32_lane 3 (i32.add (local.get $pc) (local.get $j3))
                (v128.load32_lane 2 (i32.add (local.get $pc) (local.get $j2))
                  (v128.load32_lane 1 (i32.add (local.get $pc) (local.get $j1))
                    (v128.load32_zero (i32.add (local.get $pc) (local.get $j0))))))))
            (local.set $qr (f32x4.add (local.get $qr)
              (v128.load32_lane 3 (i32.add (local.get $qc) (local.get $j3))
                (v128.load32_lane 2 (i32.add (local.get $qc) (local.get $j2))
                  (v128.load32_lane 1 (i32.add (local.get $qc) (local.get $j1))
                    (v128.load32_zero (i32.add (local.get $qc) (local.get $j0))))))))
            (v128.store32_lane 0 (i32.add (local.get $pc) (local.get $j0)) (local.get $pr))
            (v128.store32_lane 1 (i32.add (local.get $pc) (local.get $j1)) (local.get $pr))
            (v128.store32_lane 2 (i32.add (local.get $pc) (local.get $j2)) (local.get $pr))
            (v128.store32_lane 3 (i32.add (local.get $pc) (local.get $j3)) (local.get $pr))
            (v128.store32_lane 0 (i32.add (local.get $qc) (local.get $j0)) (local.get $qr))
            (v128.store32_lane 1 (i32.add (local.get $qc) (local.get $j1)) (local.get $qr))
            (v128.store32_lane 2 (i32.add (local.get $qc) (local.get $j2)) (local.get $qr))
            (v128.store32_lane 3 (i32.add (local.get $qc) (local.get $j3)) (local.get $qr))))
        (local.set $i (i32.add (local.get $i) (i32.const 2)))
        (br_if $rows (i32.lt_s (local.get $i) (local.get $m))))
      (local.set $j (i32.add (local.get $j) (i32.const 4)))
      (br_if $columns (i32.lt_s (local.get $j) (local.get $n))))))
